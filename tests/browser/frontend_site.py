"""A host app with five kinds of front end, whose pages hold the widget's elements and a strict policy."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from browser.frontend_build import PACKAGES
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from portal_gateway import PortalGatewayMiddleware, load_settings
from portal_gateway.sandbox.demo import demo_config, running_vendors
from portal_gateway.sandbox.serve import Sandbox, create_sandbox
from portal_gateway.sandbox.server import running

LIBRARIES = {
    "plain": "",
    "htmx": '<script src="/lib/htmx.org/dist/htmx.min.js"></script>',
    "htmx2": '<script src="/lib/htmx2/dist/htmx.min.js"></script>',
    "turbo": '<script type="module" src="/lib/@hotwired/turbo/dist/turbo.es2017-esm.js"></script>',
}
BOOSTS = {"htmx": ' hx-boost:inherited="true"', "htmx2": ' hx-boost="true"'}
APPS = (*LIBRARIES, "react", "vue")

# htmx and Turbo add style elements of their own, unless they are told not to, or told a nonce.
_META = """<meta name="htmx-config" content='{"includeIndicatorStyles": false, "includeIndicatorCSS": false}'>
<meta name="csp-nonce" content="r4nd0m"><meta name="turbo-refresh-method" content="morph">"""
_CONTENT = {
    "": "<h1>Home</h1>",
    "orders": '<h1>Orders</h1><p>Questions? <portal-link portal="success">Ask in the portal</portal-link></p>',
    "onboarding": '<h1>Onboarding</h1><portal-frame portal="onboarding" label="Your onboarding"></portal-frame>',
    "light": '<h1>Light</h1><p id="light"><portal-link portal="success" light></portal-link></p>',
    "replaced": '<h1>Replaced</h1><portal-link portal="success" replaces></portal-link><p id="old">Old help</p>',
    "fallback": '<h1>Fallback</h1><portal-link portal="success"><noscript>'
    '<a href="/portal/success/launch">Customer portal</a></noscript></portal-link>',
    "bare": '<h1>Bare</h1><portal-frame portal="onboarding"></portal-frame>',
    "speculation": '<h1>Speculation</h1><link rel="prefetch" href="/portal/success/launch">'
    '<script type="speculationrules">{"prefetch": [{"urls": ["/portal/success/launch"], "eagerness": "immediate"}]}'
    "</script>",
}


def page(app: str, name: str) -> str:
    links = "".join(f'<a href="/{app}/{target}">{target.title() or "Home"}</a> ' for target in list(_CONTENT)[:3])
    style = "" if name == "bare" else '<link rel="stylesheet" href="/site.css">'
    return f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{name or "home"}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">{_META}{LIBRARIES[app]}
<script type="module" src="/portal/-/widget.js"></script>{style}</head>
<body{BOOSTS.get(app, "")}><header><nav>{links}<portal-link portal="success"></portal-link></nav></header>
<main>{_CONTENT[name]}</main></body></html>"""


STYLE = """:root { color-scheme: light dark } body { font: 1rem/1.5 sans-serif; margin: 1rem }
nav { display: flex; gap: 1rem } nav a, p a { color: inherit }
#light a { color: rgb(1, 102, 3); font-weight: 700 }"""


def policy(frame_origin: str, app: str, name: str) -> str:
    styles = "style-src 'none'" if name == "bare" else "style-src 'self' 'nonce-r4nd0m'"
    types = "; require-trusted-types-for 'script'" if app == "plain" else ""
    return (
        f"default-src 'none'; script-src 'self' 'inline-speculation-rules'; {styles}; "
        f"connect-src 'self'; frame-src 'self' {frame_origin}{types}"
    )


@dataclass
class Frontends:
    url: str
    sandbox: Sandbox
    rocketlane_url: str
    prefetched: list[str]

    def reset(self) -> None:
        self.sandbox.reset()
        self.prefetched.clear()

    def minted(self) -> int:
        calls = self.sandbox.planhat_vendor.calls
        return calls.count("GET", "/shareabletokens/") - calls.count("GET", "/shareabletokens/access/")


async def enter(request: Request) -> Response:
    user_id = request.path_params["user"]
    request.session.update(user_id=user_id, email=f"{user_id}@vance.example", company_id="201")
    return HTMLResponse("<title>in</title>")


async def leave(request: Request) -> Response:
    request.session.clear()
    return HTMLResponse("<title>out</title>")


def host_app(built: Path, frame_origin: str) -> Starlette:
    async def html(request: Request) -> Response:
        _, app, name = request.url.path.split("/")
        headers = {"content-security-policy": policy(frame_origin, app, name)}
        if app in ("react", "vue"):
            return FileResponse(built / app / "index.html", headers=headers)
        return HTMLResponse(page(app, name), headers=headers)

    async def style(request: Request) -> Response:
        return Response(STYLE, media_type="text/css")

    return Starlette(
        routes=[
            Route("/in/{user}", enter),
            Route("/out", leave),
            Route("/site.css", style),
            Mount("/lib", StaticFiles(directory=PACKAGES)),
            Mount("/dist", StaticFiles(directory=built)),
            *(Route(f"/{app}/{name}", html, name=app) for app in APPS for name in _CONTENT),
        ],
        middleware=[Middleware(SessionMiddleware, secret_key="test")],
    )


@asynccontextmanager
async def running_frontends(built: Path, **frame: Any) -> AsyncIterator[Frontends]:
    """The host app with the gateway around it; `frame` are settings of the onboarding portal's iframe."""
    sandbox = create_sandbox()
    prefetched: list[str] = []
    async with running_vendors(sandbox, "127.0.0.1") as (planhat_url, rocketlane_url):
        config = demo_config(planhat_url, rocketlane_url)
        del config["brand"]
        for portal in config["portals"].values():
            portal["inject"] = []
        config["portals"]["onboarding"]["frame"] = frame
        secrets = {
            "PLANHAT_API_TOKEN": sandbox.planhat_token,
            "ROCKETLANE_API_KEY": sandbox.rocketlane_api_key,
            "ROCKETLANE_SHARED_SECRET": sandbox.rocketlane_secret,
        }
        gateway = PortalGatewayMiddleware(host_app(built, rocketlane_url), load_settings(config, environ=secrets))

        async def noting_prefetches(scope: Any, receive: Any, send: Any) -> None:
            if b"sec-purpose" in dict(scope.get("headers", ())):
                prefetched.append(scope["path"])
            await gateway(scope, receive, send)

        async with running(noting_prefetches) as url:
            yield Frontends(url, sandbox, rocketlane_url, prefetched)
