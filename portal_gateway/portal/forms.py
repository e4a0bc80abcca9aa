"""Forms of the gateway's own pages: read with a limit, and taken only from our own pages.

Rules of this file
- A form carries a token that fits the browser's cookie, its purpose and whoever is signed in: other sites can neither
  read nor guess it.
- A browser that says where a request comes from is believed when it says: from another site.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import Response

from portal_gateway.errors import RequestRefused
from portal_gateway.joining.keyring import Keyring
from portal_gateway.wire import headers as h

COOKIE = "portal_gateway_form"
MAX_BYTES = 32 * 1024
MAX_FIELDS = 20
_KIND = "portal-gateway form"


class Forms:
    """Makes and checks the tokens of forms. `origin` is the site's own."""

    def __init__(self, keyring: Keyring, origin: str) -> None:
        self._keyring = keyring
        self._origin = origin

    def token(self, request: Request, purpose: str) -> str:
        """The token of a form on the page that answers `request`; `protect` makes the browser keep its other half."""
        nonce = request.scope.setdefault("portal_gateway.form_nonce", _nonce(request) or secrets.token_urlsafe(16))
        return f"{self._keyring.kid}.{self._keyring.mac(_KIND, purpose, nonce)}"

    def protect(self, request: Request, response: Response, path: str) -> Response:
        """`response` with the cookie that fits the tokens on it."""
        nonce = request.scope.get("portal_gateway.form_nonce")
        if nonce is not None and nonce != _nonce(request):
            secure = self._origin.startswith("https:")
            response.set_cookie(COOKIE, nonce, path=path, httponly=True, samesite="lax", secure=secure)
        return response

    async def read(self, request: Request, purpose: str) -> dict[str, str]:
        """The fields of a form with that purpose. Raises RequestRefused."""
        self.check_origin(request)
        fields = _fields(await _body(request))
        kid, _, mac = fields.get("form", "").partition(".")
        nonce = _nonce(request)
        if nonce is None or not self._keyring.is_mac(mac, kid, _KIND, purpose, nonce):
            raise RequestRefused(403, "form_expired", "this form is out of date; open the page again")
        return fields

    async def read_json(self, request: Request) -> Mapping[str, Any]:
        """A JSON object, whose type no form of another site can have. Raises RequestRefused."""
        self.check_origin(request)
        if not is_json(request):
            raise RequestRefused(415, "not_json", "send application/json")
        try:
            value = json.loads(await _body(request) or b"{}")
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise RequestRefused(400, "bad_request", "the body must be a JSON object")
        return value

    def check_origin(self, request: Request) -> None:
        """Raises RequestRefused for a request that another site has made.

        Under a referrer policy of no-referrer, browsers send `Origin: null` with a form of our own (Fetch, append a
        request Origin header), so that says nothing.
        """
        headers = request.scope["headers"]
        site, origin = h.text(headers, b"sec-fetch-site"), h.text(headers, b"origin")
        foreign = site not in (None, "same-origin") or (site is None and origin not in (None, "null", self._origin))
        if foreign:
            raise RequestRefused(403, "cross_site", "this form works on its own page only")


def is_json(request: Request) -> bool:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"


def _nonce(request: Request) -> str | None:
    nonce = h.cookie(request.scope["headers"], COOKIE)
    return nonce if nonce is not None and len(nonce) == 22 and nonce.isascii() else None


async def _body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BYTES:
            raise RequestRefused(413, "too_large", f"a form has at most {MAX_BYTES} bytes")
    return body


def _fields(body: bytes) -> dict[str, str]:
    try:
        fields = parse_qs(body.decode("ascii"), max_num_fields=MAX_FIELDS, errors="strict")
    except ValueError:
        raise RequestRefused(400, "bad_request", "this is no form of ours") from None
    return {name: values[0] for name, values in fields.items()}
