"""Responses of the portal routes: pages for people, problem details (RFC 9457) for everyone else, redirects.

None of them may be stored, and none says more about a failure than its GatewayError allows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import PackageLoader
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from portal_gateway.languages.catalogue import Language, language
from portal_gateway.languages.negotiation import negotiated
from portal_gateway.observe.events import Events
from portal_gateway.portal.assets import Assets
from portal_gateway.portal.branding import brand_of, site_url
from portal_gateway.portal.texts import text
from portal_gateway.settings import Settings
from portal_gateway.settings.page_templates import page_environment
from portal_gateway.wire import headers as h

_COMMON = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "x-robots-tag": "noindex, nofollow",
}
_OWN_SITE_ONLY = {"cross-origin-resource-policy": "same-origin"}
DEFAULT_REFERRER_POLICY = "strict-origin"
_NOWHERE = "'none'"
_OWN = PackageLoader("portal_gateway.portal")


class Answers:
    """Makes the responses, in the language of who asks."""

    def __init__(self, settings: Settings, assets: Assets, events: Events) -> None:
        self._mount_path = settings.mount_path
        self._brand = settings.brand
        self._language = settings.language
        self._assets = assets
        self._events = events
        self._own = page_environment(None, _OWN)
        self._templates = self._own if settings.templates is None else page_environment(settings.templates, _OWN)

    def mount(self, request: Request) -> str:
        """The gateway's path as the browser sees it."""
        return root_path(request) + self._mount_path

    def texts(self, request: Request) -> Language:
        """The texts in the configured language, or the one that the browser asks for."""
        if self._language is not None:
            return language(self._language)
        return negotiated(",".join(request.headers.getlist("accept-language")))

    def page(
        self,
        request: Request,
        template: str,
        *,
        status: int = 200,
        frame_origin: str | None = None,
        referrer_policy: str = DEFAULT_REFERRER_POLICY,
        form_targets: Sequence[str] = (),
        **values: Any,
    ) -> Response:
        """An HTML page. `frame_origin` is where an iframe on it leads, `form_targets` are where its forms may."""
        texts = self.texts(request)
        html = self._rendered(template, {**self._common(request, texts), "referrer_policy": referrer_policy, **values})
        headers = {
            **_COMMON,
            "content-language": texts.tag,
            "vary": "Accept-Language",
            "content-security-policy": page_policy(frame_origin, form_targets, self._brand.logo_origin),
            "referrer-policy": referrer_policy,
        }
        return HTMLResponse(html, status, headers)

    def message(
        self,
        request: Request,
        key: str,
        status: int,
        *,
        retry_url: str | None = None,
        sign_in_url: str | None = None,
    ) -> Response:
        """A page that says what happened and what to do: the texts of `errors.{key}`."""
        return self.page(
            request,
            "message.html",
            status=status,
            text=text(key, self.texts(request)),
            kind=_kind(status),
            retry_url=retry_url,
            sign_in_url=sign_in_url,
        )

    @staticmethod
    def problem(status: int, code: str, title: str, headers: Mapping[str, str] = {}) -> Response:
        """Problem details. `code` is stable and for programs; `title` is for people."""
        body = {"type": "about:blank", "title": title, "status": status, "code": code}
        return JSONResponse(body, status, {**_COMMON, **headers}, media_type="application/problem+json")

    @staticmethod
    def json(body: Mapping[str, Any]) -> Response:
        return JSONResponse(body, 200, {**_COMMON, **_OWN_SITE_ONLY})

    @staticmethod
    def headers_only(headers: Mapping[str, str]) -> Response:
        return Response(status_code=204, headers={**_COMMON, **_OWN_SITE_ONLY, **headers})

    @staticmethod
    def redirect(url: str, referrer_policy: str = DEFAULT_REFERRER_POLICY) -> Response:
        """303 to `url`, byte for byte: Starlette's RedirectResponse would quote some characters anew."""
        headers = {**_COMMON, "location": url, "referrer-policy": referrer_policy}
        return Response(status_code=303, headers=headers)

    def _common(self, request: Request, texts: Language) -> dict[str, Any]:
        """What every template may use."""
        root, mount, assets = root_path(request), self.mount(request), self._assets
        return {
            "t": texts,
            "language": texts.tag,
            "brand": brand_of(self._brand, root),
            "framed": is_framed(request),
            "mount": mount,
            "home_url": site_url(self._brand.home, root),
            "css_url": mount + assets.css_path,
            "brand_css_url": None if assets.brand_css_path is None else mount + assets.brand_css_path,
            "widget_url": mount + assets.widget_path,
        }

    def _rendered(self, template: str, values: Mapping[str, Any]) -> str:
        try:
            return self._templates.get_template(template).render(values)
        except Exception as error:
            if self._templates is self._own:
                raise
            # A template of the operator's own fails at what only a visitor's data shows.
            self._events.failed(error, "page_template")
            return self._own.get_template(template).render(values)


def root_path(request: Request) -> str:
    return str(request.scope.get("root_path", "")).rstrip("/")


def is_framed(request: Request) -> bool:
    """Whether the answer is shown in a frame, with the app around it."""
    return h.first(request.scope["headers"], b"sec-fetch-dest") in (b"iframe", b"frame")


def page_policy(frame_origin: str | None, form_targets: Sequence[str] = (), logo_origin: str | None = None) -> str:
    """The Content-Security-Policy of our own pages: own style sheets, framed by our own site only.

    No script, except for the widget where there is an iframe.
    """
    frames = f"frame-src 'self' {frame_origin}; script-src 'self'; connect-src 'self'; " if frame_origin else ""
    images = f"'self' {logo_origin}" if logo_origin else "'self'"
    return (
        f"default-src 'none'; style-src 'self'; img-src {images}; {frames}"
        f"base-uri 'none'; form-action {' '.join(form_targets) or _NOWHERE}; frame-ancestors 'self'"
    )


def _kind(status: int) -> str:
    """The sort of trouble, for the page's picture."""
    if status >= 500:
        return "away"
    return "locked" if status in (401, 403) else "lost"
