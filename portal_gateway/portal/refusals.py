"""What is answered when a portal route cannot do as it was asked: the way to sign in, a page, or problem details."""

from __future__ import annotations

import math
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from portal_gateway.errors import GatewayError, NotSignedIn, VendorBusy
from portal_gateway.observe.events import Events
from portal_gateway.portal.answers import Answers, is_framed
from portal_gateway.portal.texts import error_key, text_for
from portal_gateway.settings import Settings
from portal_gateway.wire.asgi import as_dict
from portal_gateway.wire.requests import is_navigation, own_target


class Refusals:
    """Makes a response of an error."""

    def __init__(self, settings: Settings, answers: Answers, events: Events) -> None:
        self._login_url = settings.login_url
        self._public_url = settings.public_url
        self._answers = answers
        self._events = events

    def answer(self, request: Request, error: GatewayError) -> Response:
        self._events.refused("", error.code)
        if not is_navigation(request.scope["headers"]):
            return self._answers.problem(error.status, error.code, text_for(error).title, _retry_after(error))
        sign_in_url = None
        if isinstance(error, NotSignedIn) and self._login_url is not None:
            sign_in_url = self._login_target(request, self._login_url)
            # In a frame the app's sign-in page would be a page within the page.
            if not is_framed(request):
                return self._answers.redirect(sign_in_url)
        retry_url = own_target(as_dict(request.scope)) if error.status >= 500 else None
        key = error_key(error)
        response = self._answers.message(request, key, error.status, retry_url=retry_url, sign_in_url=sign_in_url)
        response.headers.update(_retry_after(error))
        return response

    def _login_target(self, request: Request, login_url: str) -> str:
        back = own_target(as_dict(request.scope))
        if not login_url.startswith("/"):
            back = (self._public_url or "") + back
        return login_url.replace("{next}", quote(back, safe=""))


def _retry_after(error: GatewayError) -> dict[str, str]:
    if isinstance(error, VendorBusy) and error.retry_after_s is not None:
        return {"retry-after": str(max(1, math.ceil(error.retry_after_s)))}
    return {}
