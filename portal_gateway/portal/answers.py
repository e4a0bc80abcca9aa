"""Responses of the portal routes: pages for people, problem details (RFC 9457) for everyone else, redirects.

None of them may be stored, and none says more about a failure than its GatewayError allows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse, JSONResponse, Response

from portal_gateway.portal.assets import Assets
from portal_gateway.portal.texts import Text

_COMMON = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "x-robots-tag": "noindex, nofollow",
}
DEFAULT_REFERRER_POLICY = "strict-origin"
_NOWHERE = "'none'"


class Answers:
    """Makes the responses. `mount` is the gateway's path as the browser sees it."""

    def __init__(self, assets: Assets) -> None:
        self._assets = assets
        self._templates = Environment(
            loader=PackageLoader("portal_gateway.portal"), autoescape=True, undefined=StrictUndefined
        )

    def page(
        self,
        template: str,
        mount: str,
        *,
        status: int = 200,
        frame_origin: str | None = None,
        referrer_policy: str = DEFAULT_REFERRER_POLICY,
        form_targets: Sequence[str] = (),
        **values: Any,
    ) -> Response:
        """An HTML page. `frame_origin` is where an iframe on it leads, `form_targets` are where its forms may."""
        html = self._templates.get_template(template).render(
            css_url=mount + self._assets.css_path,
            widget_url=mount + self._assets.widget_path,
            mount=mount,
            referrer_policy=referrer_policy,
            **values,
        )
        headers = {
            **_COMMON,
            "content-security-policy": page_policy(frame_origin, form_targets),
            "referrer-policy": referrer_policy,
        }
        return HTMLResponse(html, status, headers)

    def message(self, text: Text, mount: str, status: int, *, retry_url: str | None = None) -> Response:
        """A page that says what happened and what to do."""
        return self.page("message.html", mount, status=status, text=text, retry_url=retry_url)

    @staticmethod
    def problem(status: int, code: str, title: str, headers: Mapping[str, str] = {}) -> Response:
        """Problem details. `code` is stable and for programs; `title` is for people."""
        body = {"type": "about:blank", "title": title, "status": status, "code": code}
        return JSONResponse(body, status, {**_COMMON, **headers}, media_type="application/problem+json")

    @staticmethod
    def json(body: Mapping[str, Any]) -> Response:
        return JSONResponse(body, 200, {**_COMMON, "cross-origin-resource-policy": "same-origin"})

    @staticmethod
    def redirect(url: str, referrer_policy: str = DEFAULT_REFERRER_POLICY) -> Response:
        """303 to `url`, byte for byte: Starlette's RedirectResponse would quote some characters anew."""
        headers = {**_COMMON, "location": url, "referrer-policy": referrer_policy}
        return Response(status_code=303, headers=headers)


def page_policy(frame_origin: str | None, form_targets: Sequence[str] = ()) -> str:
    """The Content-Security-Policy of our own pages: own style sheet, framed by our own site only.

    No script, except for the widget where there is an iframe.
    """
    frames = f"frame-src 'self' {frame_origin}; script-src 'self'; connect-src 'self'; " if frame_origin else ""
    return (
        f"default-src 'none'; style-src 'self'; img-src 'self'; {frames}"
        f"base-uri 'none'; form-action {' '.join(form_targets) or _NOWHERE}; frame-ancestors 'self'"
    )
