"""From the settings to the doors of all portals; nothing is built where no portal has one."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from portal_gateway.joining.audit import Audit
from portal_gateway.joining.background import Background
from portal_gateway.joining.book import InvitationBook
from portal_gateway.joining.inviting import Inviting
from portal_gateway.joining.keyring import Keyring
from portal_gateway.joining.link_states import LinkStates
from portal_gateway.joining.portals import JoinPortal, JoinPortals
from portal_gateway.joining.rates import Rates
from portal_gateway.joining.service import JoinService
from portal_gateway.joining.shared_links import SharedLinks
from portal_gateway.mail.base import Mailer
from portal_gateway.observe.events import Events
from portal_gateway.providers.admission import Admission
from portal_gateway.settings import Settings
from portal_gateway.settings.joining import JoiningSettings
from portal_gateway.settings.portals import RocketlanePortal
from portal_gateway.store.base import Store
from portal_gateway.wire.urls import origin_of


@dataclass(frozen=True, slots=True)
class Joining:
    """What the pages of joining work with."""

    service: JoinService
    inviting: Inviting
    shared: SharedLinks
    keyring: Keyring
    audit: Audit
    background: Background


def keyring_of(settings: JoiningSettings) -> Keyring:
    return Keyring({key.kid: key.secret.reveal_bytes() for key in settings.keys})


def build_joining(
    settings: Settings,
    admissions: Mapping[str, Admission],
    store: Store,
    events: Events,
    mailer: Mailer | None,
    clock: Callable[[], float] = time.time,
) -> Joining | None:
    """The doors, or None if there are none. `admissions` by portal's name; `clock` tells epoch seconds."""
    if settings.joining is None or not settings.joins:
        return None
    keyring = keyring_of(settings.joining)
    portals = JoinPortals({name: _portal(settings, name, admissions[name]) for name in settings.joins})
    links = LinkStates(portals.names, store, keyring, clock)
    book = InvitationBook(store, keyring, clock)
    rates, audit, background = Rates(store, keyring), Audit(events, keyring), Background(events)
    shared = SharedLinks(keyring)
    service = JoinService(
        portals,
        links=links,
        shared=shared,
        book=book,
        rates=rates,
        mailer=mailer,
        audit=audit,
        background=background,
        clock=clock,
    )
    inviting = Inviting(
        portals,
        links=links,
        shared=shared,
        book=book,
        rates=rates,
        mailer=mailer,
        audit=audit,
        clock=clock,
    )
    return Joining(service, inviting, shared, keyring, audit, background)


def _portal(settings: Settings, name: str, admission: Admission) -> JoinPortal:
    portal = settings.portals[name]
    assert isinstance(portal, RocketlanePortal), "no other provider has `join`"
    return JoinPortal(
        name=name,
        label=portal.label,
        settings=settings.joins[name],
        admission=admission,
        origin=origin_of(portal.portal_url) or "",
        project_id=portal.project.id,
    )
