"""The composition root: everything that one configuration needs, built once, closed once."""

from __future__ import annotations

import asyncio

from portal_gateway.access.asking import Source
from portal_gateway.access.directory import Directory, Portal
from portal_gateway.access.freshness import Lifetimes
from portal_gateway.access.keys import PortalKeys
from portal_gateway.access.memory import MemoryLevel
from portal_gateway.access.replicas import Replicas
from portal_gateway.access.service import AccessService
from portal_gateway.access.shared import SharedLevel
from portal_gateway.identity.callback import Identify
from portal_gateway.identity.chain import build_chains
from portal_gateway.injection.conditional import LoaderTags
from portal_gateway.injection.decide import PageDecider
from portal_gateway.injection.rules import RuleSet
from portal_gateway.injection.snippet_headers import SnippetHeaders
from portal_gateway.injection.snippets import Snippets
from portal_gateway.joining.composition import build_joining
from portal_gateway.languages.catalogue import FALLBACK
from portal_gateway.mail.base import Mailer
from portal_gateway.observe.events import Events
from portal_gateway.portal.assets import Assets
from portal_gateway.portal.logout import LogOut
from portal_gateway.portal.routes import PortalRoutes
from portal_gateway.providers.admission import Admission, Admitting
from portal_gateway.providers.registry import build_provider
from portal_gateway.settings import Settings
from portal_gateway.settings.portals import PortalSettings
from portal_gateway.store.registry import open_store
from portal_gateway.store.retrying import RetryingStore
from portal_gateway.wire.asgi import ASGIApp
from portal_gateway.wire.trust import TrustedPeers


class Gateway:
    """One running gateway in front of one host app. Nothing is connected to before the first request needs it."""

    def __init__(self, settings: Settings, app: ASGIApp, identify: Identify | None = None) -> None:
        self.settings = settings
        self.events = Events()
        self.trusted = TrustedPeers(settings.trusted_proxies)
        self._store = open_store(settings.cache, self.events)
        # What a vendor is asked, and how often, can wait for a store that is late.
        self._patient_store = RetryingStore(self._store) if self._store.shared else self._store
        self._providers = {
            name: build_provider(name, portal, store=self._patient_store, events=self.events)
            for name, portal in settings.portals.items()
        }
        self._mailer = self._open_mailer()
        memory = MemoryLevel(settings.max_decisions)
        self._access = AccessService(self._sources(), memory, self.events, self._replicas())
        self._identity = build_chains(
            settings.identity,
            app=app,
            trusted=self.trusted,
            callback=identify,
            mount_path=settings.mount_path,
        )
        self.identity_headers = self._identity.header_names
        assets = Assets(settings.brand)
        directory = self.directory = Directory(self._portals(), self._access, self.events)
        self.joining = build_joining(settings, self._admissions(), self._store, self.events, self._mailer)
        origins = {name: provider.frame_origin for name, provider in self._providers.items()}
        language = settings.language or FALLBACK
        self.rules = RuleSet(settings.portals, origins, language, mount_path=settings.mount_path)
        self.tags = LoaderTags(self.rules.version(settings.mount_path, assets.widget_version))
        policies = {name: portal.referrer_policy for name, portal in settings.portals.items()}
        snippets = Snippets(settings.mount_path, settings.mount_path + assets.widget_path, policies)
        self.decider = PageDecider(self._identity.pages, directory, snippets, self.events)
        early_decider = PageDecider(self._identity.routes, directory, snippets, self.events)
        snippet_headers = SnippetHeaders(
            self.rules, early_decider, self.trusted, self.events, server_timing=settings.server_timing
        )
        self.routes = PortalRoutes(
            settings,
            directory,
            self._identity.routes,
            assets,
            self._store,
            self.events,
            self.trusted,
            snippet_headers,
            self.joining,
        )

    def watched(self, app: ASGIApp) -> ASGIApp:
        """`app`, or what notices on its way who signs out of it."""
        if self.settings.logout is None:
            return app
        return LogOut(app, self.settings.logout.paths, self._identity.routes, self.directory)

    async def aclose(self) -> None:
        """Stop what runs in the background and close connections. Trouble at the vendors cannot make it fail."""
        self.routes.close()
        closings = [self._access.aclose(), self._identity.aclose()]
        closings += [provider.aclose() for provider in self._providers.values()]
        if self.joining is not None:
            await self.joining.background.aclose()
        if self._mailer is not None:
            closings.append(self._mailer.aclose())
        await asyncio.gather(*closings, return_exceptions=True)
        await self._store.aclose()

    def _sources(self) -> dict[str, Source]:
        return {
            name: Source(self._providers[name], _lifetimes(portal)) for name, portal in self.settings.portals.items()
        }

    def _open_mailer(self) -> Mailer | None:
        if self.settings.mail is None:
            return None
        from portal_gateway.mail.outbox import open_mailer

        return open_mailer(self.settings.mail, self._store, self.events)

    def _admissions(self) -> dict[str, Admission]:
        """How people are let into the portals that they join by links."""
        admissions = {}
        for name, join in self.settings.joins.items():
            provider = self._providers[name]
            assert isinstance(provider, Admitting), "settings of other providers have no `join`"
            admissions[name] = provider.admission(join)
        return admissions

    def _replicas(self) -> Replicas | None:
        """Those with whom decisions are shared, if the configuration names a store for it."""
        if not self._store.shared:
            return None
        portals = self.settings.portals
        keys = {
            name: PortalKeys(name, portal.api_secret.reveal_bytes(), portal.decision_rules)
            for name, portal in portals.items()
        }
        lifetimes = {name: _lifetimes(portal) for name, portal in portals.items()}
        return Replicas(keys, SharedLevel(self._patient_store, keys, lifetimes, self.events))

    def _portals(self) -> dict[str, Portal]:
        return {
            name: Portal(name, portal.label, self._providers[name], portal.referrer_policy, portal.frame)
            for name, portal in self.settings.portals.items()
        }


def _lifetimes(portal: PortalSettings) -> Lifetimes:
    return Lifetimes(portal.access.ttl, portal.access.denied_ttl, portal.access.stale_s)
