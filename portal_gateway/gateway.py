"""The composition root: everything that one configuration needs, built once, closed once."""

from __future__ import annotations

import asyncio

from portal_gateway.access.directory import Directory, Portal
from portal_gateway.access.freshness import Lifetimes
from portal_gateway.access.memory import MemoryStore
from portal_gateway.access.service import AccessService, Source
from portal_gateway.identity.callback import Identify
from portal_gateway.identity.chain import build_chains
from portal_gateway.injection.conditional import LoaderTags
from portal_gateway.injection.decide import PageDecider
from portal_gateway.injection.rules import RuleSet
from portal_gateway.injection.snippets import Snippets
from portal_gateway.observe.events import Events
from portal_gateway.portal.assets import Assets
from portal_gateway.portal.routes import PortalRoutes
from portal_gateway.providers.registry import build_provider
from portal_gateway.settings import Settings
from portal_gateway.settings.portals import PortalSettings
from portal_gateway.wire.asgi import ASGIApp
from portal_gateway.wire.trust import TrustedPeers


class Gateway:
    """One running gateway in front of one host app. Nothing is connected to before the first request needs it."""

    def __init__(self, settings: Settings, app: ASGIApp, identify: Identify | None = None) -> None:
        self.settings = settings
        self.events = Events()
        self.trusted = TrustedPeers(settings.trusted_proxies)
        self._providers = {name: build_provider(name, portal) for name, portal in settings.portals.items()}
        self._access = AccessService(self._sources(), MemoryStore(settings.max_decisions), self.events)
        self._identity = build_chains(
            settings.identity,
            app=app,
            trusted=self.trusted,
            callback=identify,
            mount_path=settings.mount_path,
        )
        self.identity_headers = self._identity.header_names
        assets = Assets()
        directory = Directory(self._portals(), self._access, self.events)
        self.routes = PortalRoutes(settings, directory, self._identity.routes, assets, self.events)
        self.rules = RuleSet(settings.portals, {name: p.frame_origin for name, p in self._providers.items()})
        self.tags = LoaderTags(self.rules.version(settings.mount_path, assets.widget_version))
        policies = {name: portal.referrer_policy for name, portal in settings.portals.items()}
        snippets = Snippets(settings.mount_path, settings.mount_path + assets.widget_path, policies)
        self.decider = PageDecider(self._identity.pages, directory, snippets, self.events)

    async def aclose(self) -> None:
        """Stop what runs in the background and close connections. Trouble at the vendors cannot make it fail."""
        closings = [self._access.aclose(), self._identity.aclose()]
        closings += [provider.aclose() for provider in self._providers.values()]
        await asyncio.gather(*closings, return_exceptions=True)

    def _sources(self) -> dict[str, Source]:
        return {
            name: Source(self._providers[name], _lifetimes(portal)) for name, portal in self.settings.portals.items()
        }

    def _portals(self) -> dict[str, Portal]:
        return {
            name: Portal(name, portal.label, self._providers[name], portal.referrer_policy)
            for name, portal in self.settings.portals.items()
        }


def _lifetimes(portal: PortalSettings) -> Lifetimes:
    return Lifetimes(portal.access.ttl, portal.access.denied_ttl, portal.access.stale_s)
