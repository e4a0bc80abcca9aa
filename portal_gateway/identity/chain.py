"""The identity sources in their configured order: the first that knows the user wins."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from portal_gateway.errors import IdentityError
from portal_gateway.identity.base import NotAtHand, QuickSource
from portal_gateway.identity.callback import CallbackSource, Identify
from portal_gateway.identity.headers import HeadersSource
from portal_gateway.identity.scope import ScopeSource
from portal_gateway.identity.subrequest import Subrequest
from portal_gateway.models import EndUser
from portal_gateway.settings.identity import (
    HeadersIdentity,
    IdentitySettings,
    JwtIdentity,
    ScopeIdentity,
    WhoamiIdentity,
)
from portal_gateway.wire.asgi import ASGIApp, Scope
from portal_gateway.wire.trust import TrustedPeers

logger = logging.getLogger("portal_gateway.identity")


class IdentityChain:
    """Asks `sources` one after the other."""

    def __init__(self, sources: Iterable[QuickSource]) -> None:
        self.sources = tuple(sources)

    @property
    def immediate(self) -> bool:
        """Whether no source waits for anything, so that asking needs no task and no time limit."""
        return all(source.immediate for source in self.sources)

    async def identify(self, scope: Scope) -> EndUser | None:
        """The end user this request proves, or None. Raises IdentityError, and nothing else, if unclear.

        A source that cannot answer ends it: the next one may know somebody else.
        """
        for source in self.sources:
            try:
                user = await source.identify(scope)
            except IdentityError:
                raise
            except Exception as error:
                raise _failed(source, error) from error
            if user is not None:
                return user
        return None

    def at_hand(self, scope: Scope) -> EndUser | None:
        """The same without waiting. Raises NotAtHand if that cannot be."""
        for source in self.sources:
            try:
                user = source.at_hand(scope)
            except (IdentityError, NotAtHand):
                raise
            except Exception as error:
                raise _failed(source, error) from error
            if user is not None:
                return user
        return None


def _failed(source: QuickSource, error: Exception) -> IdentityError:
    logger.error("identity source %s failed", source.name, exc_info=error)
    return IdentityError(f"the identity source {source.name} failed")


@dataclass(frozen=True, slots=True)
class IdentityChains:
    """Two chains over the same sources: `pages` for the app's responses, when the app has filled the scope;
    `routes` for the gateway's own, which never reach the app."""

    pages: IdentityChain
    routes: IdentityChain

    @property
    def header_names(self) -> frozenset[bytes]:
        """The folded names of the headers that must be stripped from peers that are not trusted."""
        names = [source.header_names for source in self.pages.sources if isinstance(source, HeadersSource)]
        return frozenset().union(*names)

    async def aclose(self) -> None:
        """Close every source once."""
        for source in dict.fromkeys((*self.pages.sources, *self.routes.sources)):
            await source.aclose()


def build_chains(
    identity: Sequence[IdentitySettings],
    *,
    app: ASGIApp,
    trusted: TrustedPeers,
    callback: Identify | None = None,
    mount_path: str = "/portal",
) -> IdentityChains:
    """The chains for one wrapped app. `callback` is asked first; below `mount_path` the app has no routes."""
    subrequest = Subrequest(app)
    probe_path = f"{mount_path}/-/whoami-probe"
    pages: list[QuickSource] = []
    routes: list[QuickSource] = []
    if callback is not None:
        identity_callback = CallbackSource(callback)
        pages.append(identity_callback)
        routes.append(identity_callback)
    for settings in identity:
        if isinstance(settings, ScopeIdentity):
            pages.append(ScopeSource(settings))
            routes.append(ScopeSource(settings, subrequest, probe_path))
        else:
            source = _shared_source(settings, subrequest, trusted)
            pages.append(source)
            routes.append(source)
    return IdentityChains(IdentityChain(pages), IdentityChain(routes))


def _shared_source(
    settings: HeadersIdentity | JwtIdentity | WhoamiIdentity, subrequest: Subrequest, trusted: TrustedPeers
) -> QuickSource:
    # PyJWT loads cryptography (30 MB, 90 ms): imported only where it is configured.
    match settings:
        case HeadersIdentity():
            return HeadersSource(settings, trusted)
        case JwtIdentity():
            from portal_gateway.identity.jwt import JwtSource

            return JwtSource(settings)
        case WhoamiIdentity():
            from portal_gateway.identity.whoami import WhoamiSource

            return WhoamiSource(settings, subrequest)
