from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from joining_fakes import Clock, purpose

from portal_gateway.admission.addresses import Address
from portal_gateway.errors import AccessDenied, LinkRefused, RequestRefused, StateUnavailable, VendorUnavailable
from portal_gateway.joining.audit import Audit
from portal_gateway.joining.background import Background
from portal_gateway.joining.book import InvitationBook
from portal_gateway.joining.keyring import Keyring
from portal_gateway.joining.link_states import LinkStates
from portal_gateway.joining.portals import JoinPortal, JoinPortals
from portal_gateway.joining.rates import Rates
from portal_gateway.joining.service import JoinService
from portal_gateway.joining.shared_links import SharedLinks
from portal_gateway.mail.base import Mail, MailUnavailable
from portal_gateway.observe.events import Events
from portal_gateway.providers.admission import JoinProject
from portal_gateway.settings.joining import JoinSettings
from portal_gateway.store.base import StoreUnavailable
from portal_gateway.store.memory import MemoryStore

NEW = Address("new", "vance.example")
BASE = "https://app.test/portal"


class ScriptedAdmission:
    """Lets everybody in, or raises what a test sets."""

    def __init__(self) -> None:
        self.trouble: Exception | None = None
        self.admitted: list[tuple[str, int, int]] = []

    async def joinable(self, address: Address, project_id: int, company_id: int | None = None) -> JoinProject:
        if self.trouble is not None:
            raise self.trouble
        return JoinProject(project_id, "Vance onboarding", 201)

    async def admit(self, address: Address, project_id: int, company_id: int) -> str:
        if self.trouble is not None:
            raise self.trouble
        self.admitted.append((str(address), project_id, company_id))
        return "https://vendor.test/signed"


class Mails(list[Mail]):
    full = False

    async def send(self, mail: Mail) -> None:
        if self.full:
            raise MailUnavailable
        self.append(mail)


class House:
    """A service with one portal, and what is around it."""

    def __init__(self, store: MemoryStore, keyring: Keyring, clock: Clock, join: dict[str, Any]) -> None:
        self.admission, self.mails, self.events = ScriptedAdmission(), Mails(), Events()
        self.links = LinkStates(["onboarding"], store, keyring, clock)
        self.book = InvitationBook(store, keyring, clock)
        self.background = Background(self.events)
        settings = JoinSettings.model_validate({"link": True, **join})
        admission: Any = self.admission
        mailer: Any = self.mails
        self.portal = JoinPortal("onboarding", "Onboarding", settings, admission, "https://vendor.test")
        self.service = JoinService(
            JoinPortals({"onboarding": self.portal}),
            links=self.links,
            shared=SharedLinks(keyring),
            book=self.book,
            rates=Rates(store, keyring),
            mailer=mailer,
            audit=Audit(self.events, keyring),
            background=self.background,
            clock=clock,
        )

    async def ask(self, address: Address = NEW) -> None:
        await self.service.ask(self.portal, 5001, address, client="198.51.100.7", base_url=BASE)
        await self.background.settle()

    async def renew(self, token: str) -> None:
        await self.service.renew(token, client="198.51.100.7", base_url=BASE)
        await self.background.settle()

    @property
    def token(self) -> str:
        return self.mails[-1].text.partition("token=")[2].split()[0]

    @property
    def outcomes(self) -> list[str]:
        return [outcome for (event, _, outcome) in self.events.counts if event == "joining"]


MakeHouse = Callable[..., House]


@pytest.fixture
def house(store: MemoryStore, keyring: Keyring, clock: Clock) -> MakeHouse:
    return lambda **join: House(store, keyring, clock, join)


async def test_asked_mailed_used(house: MakeHouse) -> None:
    here = house()
    await here.ask()
    assert await here.service.use(here.token) == "https://vendor.test/signed"
    assert here.admission.admitted == [("new@vance.example", 5001, 201)]
    assert here.outcomes == ["asked", "link_mailed", "joined"]
    with pytest.raises(LinkRefused):
        await here.service.use(here.token)


async def test_a_vendor_that_is_away_uses_up_no_link_and_a_no_does(house: MakeHouse) -> None:
    here = house()
    await here.ask()
    here.admission.trouble = VendorUnavailable("away")
    for _ in range(3):
        with pytest.raises(VendorUnavailable):
            await here.service.use(here.token)
    here.admission.trouble = AccessDenied("no", "project_archived")
    with pytest.raises(AccessDenied):
        await here.service.use(here.token)
    here.admission.trouble = None
    with pytest.raises(LinkRefused):
        await here.service.use(here.token)
    assert here.admission.admitted == []
    assert here.outcomes[-1] == "refused_project_archived"


async def test_who_asks_learns_of_no_trouble(house: MakeHouse) -> None:
    here = house()
    for trouble in (AccessDenied("no", "free_mail"), VendorUnavailable("away"), StoreUnavailable("away")):
        here.admission.trouble = trouble
        await here.ask()
    here.admission.trouble = None
    here.mails.full = True
    await here.ask()
    assert here.mails == []
    assert set(here.outcomes[1:]) == {
        "refused_free_mail",
        "refused_vendor_unavailable",
        "refused_state_unavailable",
    }


async def test_unless_it_is_to_be_revealed(house: MakeHouse) -> None:
    here = house(reveal=True)
    here.admission.trouble = AccessDenied("no", "free_mail")
    with pytest.raises(AccessDenied):
        await here.ask()
    here.admission.trouble = None
    here.mails.full = True
    with pytest.raises(StateUnavailable):
        await here.ask()


async def test_renewing(house: MakeHouse, clock: Clock) -> None:
    here = house()
    await here.ask()
    first = here.token
    clock.now += 3600
    with pytest.raises(LinkRefused):
        await here.service.use(first)
    await here.renew(first)
    assert here.token != first
    assert [mail.to for mail in here.mails] == ["new@vance.example"] * 2
    await here.service.use(here.token)


async def test_no_other_link_for_an_invitation_that_is_not_in_the_book(house: MakeHouse) -> None:
    here = house()
    link = await here.links.make(purpose(invitation_id="1f"), 900)
    for call in (here.service.use(link.token), here.renew(link.token)):
        with pytest.raises(LinkRefused) as refused:
            await call
        assert refused.value.reason == "revoked"
    assert here.mails == []


async def test_a_client_s_budget_counts_forms_and_renewals_together(house: MakeHouse) -> None:
    here = house(limits={"per_client": 2})
    await here.ask()
    await here.renew(here.token)
    for call in (here.ask(), here.renew(here.token)):
        with pytest.raises(RequestRefused):
            await call


async def test_the_project_of_a_shared_link(house: MakeHouse, keyring: Keyring, clock: Clock) -> None:
    here = house()
    key = SharedLinks(keyring).key("onboarding", 5001, int(clock()) + 60)
    assert here.service.project_id(here.portal, key) == 5001
    clock.now += 120
    for wrong, reason in ((key, "expired"), ("", "invalid"), (key + "x", "invalid")):
        with pytest.raises(LinkRefused) as refused:
            here.service.project_id(here.portal, wrong)
        assert (refused.value.reason, refused.value.renewable) == (reason, False)
