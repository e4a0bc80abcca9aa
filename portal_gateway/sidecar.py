"""The sidecar: the same middleware around a streaming reverse proxy, in front of any HTTP app."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from portal_gateway.errors import GatewayError, Problem, SettingsError
from portal_gateway.front_door import FrontDoor
from portal_gateway.gateway import Gateway
from portal_gateway.middleware import PortalGatewayMiddleware
from portal_gateway.observe.events import Events
from portal_gateway.portal.answers import Answers
from portal_gateway.portal.assets import Assets
from portal_gateway.proxy.app import UpstreamProxy
from portal_gateway.proxy.limits import Timeouts
from portal_gateway.proxy.upstreams import Upstreams
from portal_gateway.settings import Settings, load_settings
from portal_gateway.settings.identity import ScopeIdentity
from portal_gateway.wire.asgi import ASGIApp, Message, Receive, Scope, Send
from portal_gateway.wire.requests import is_navigation, own_target
from portal_gateway.wire.trust import TrustedPeers
from portal_gateway.wire.urls import local_path


@dataclass(frozen=True, slots=True)
class Sidecar:
    """The app that is served, and the parts of it that an operator may want to look at."""

    app: ASGIApp
    gateway: Gateway
    front_door: FrontDoor
    pages: ErrorPages
    proxy: UpstreamProxy

    async def aclose(self) -> None:
        """Close all connections, those to the app behind first. For servers that do not run the app's lifespan."""
        await self.proxy.aclose()
        await self.gateway.aclose()


def create_sidecar(config: Settings | Mapping[str, Any] | str | os.PathLike[str]) -> ASGIApp:
    """The sidecar as an ASGI app. Raises SettingsError, also when `upstream` is missing."""
    return build_sidecar(load_settings(config)).app


def build_sidecar(settings: Settings) -> Sidecar:
    """The sidecar with its parts. Nothing is connected to yet. Raises SettingsError."""
    problems = sidecar_problems(settings)
    if problems:
        raise SettingsError(problems, "sidecar")
    timeouts = settings.upstream_timeouts
    upstreams = Upstreams(
        settings.upstreams,
        ca_file=settings.upstream_tls.ca_file,
        timeouts=Timeouts(timeouts.connect_s, timeouts.head_s, timeouts.idle_s),
    )
    proxy = UpstreamProxy(upstreams, trusted=TrustedPeers(settings.trusted_proxies))
    pages = ErrorPages(settings)
    app = PortalGatewayMiddleware(proxy, settings, compress=settings.compress)
    # Outermost, since the gateway keeps the head of a page until its body comes: an upstream that breaks off in between
    # has not been seen to answer yet.
    return Sidecar(pages.around(app), app.gateway, app.front_door, pages, proxy)


def sidecar_problems(settings: Settings) -> list[Problem]:
    """What makes good settings unfit for a sidecar."""
    problems = []
    if not settings.upstreams:
        problems.append(Problem("upstream", "is required: the app that the sidecar stands in front of"))
    for index, source in enumerate(settings.identity):
        if isinstance(source, ScopeIdentity):
            message = "source: scope needs the app in the same process; use whoami, jwt or headers"
            problems.append(Problem(f"identity[{index}]", message))
    return problems


class ErrorPages:
    """Says what happened when the upstream failed before it answered; after that, the response just breaks off."""

    def __init__(self, settings: Settings) -> None:
        self._answers = Answers(settings, Assets(settings.brand), Events())

    def around(self, app: ASGIApp) -> ASGIApp:
        """`app`, whose errors are answered."""

        async def answering(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            started = False

            def relay(message: Message) -> Awaitable[None]:
                nonlocal started
                if message["type"] == "http.response.start":
                    started = True
                return send(message)

            try:
                await app(scope, receive, relay)
            except GatewayError as error:
                if not started:
                    await self.answer(error, scope, receive, send)

        return answering

    async def answer(self, error: GatewayError, scope: Scope, receive: Receive, send: Send) -> None:
        """Say what happened, as a page or as problem details."""
        if not is_navigation(scope["headers"]):
            response = self._answers.problem(error.status, error.code, error.message)
        else:
            key = "not_well_formed" if error.status < 500 else "app_away"
            retry_url = local_path(own_target(scope)) if scope["method"] == "GET" else None
            response = self._answers.message(Request(scope), key, error.status, retry_url=retry_url)
        await response(scope, receive, send)
