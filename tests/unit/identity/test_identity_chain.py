from __future__ import annotations

import functools
import subprocess
import sys
import time
from ipaddress import ip_network
from typing import Any

import jwt
import pytest
from pydantic import TypeAdapter

from portal_gateway.errors import IdentityError
from portal_gateway.identity.base import NotAtHand
from portal_gateway.identity.chain import IdentityChain, build_chains
from portal_gateway.identity.scope import ScopeSource
from portal_gateway.models import EndUser
from portal_gateway.settings.identity import IdentitySettings
from portal_gateway.wire.trust import TrustedPeers

SECRET = "0123456789abcdef0123456789abcdef"
PARSE = TypeAdapter(tuple[IdentitySettings, ...])
PROXY = ("10.0.0.1", 1)
EVERY_SOURCE = [
    {"source": "scope", "session": {"id": "user_id"}},
    {"source": "headers", "id": "X-User-Id", "email": "X-User-Email"},
    {"source": "jwt", "cookie": "token", "secret": {"env": "S"}, "algorithms": ["HS256"]},
    {"source": "whoami", "path": "/api/me", "fields": {"id": "id"}},
]


class Source:
    def __init__(self, name: str, outcome: Any, log: list[str] | None = None, *, immediate: bool = True) -> None:
        self.name = name
        self.immediate = immediate
        self.outcome = outcome
        self.log = [] if log is None else log

    def at_hand(self, scope: Any) -> EndUser | None:
        if not self.immediate:
            raise NotAtHand(self.name)
        self.log.append(self.name)
        if isinstance(self.outcome, Exception):
            raise self.outcome
        user: EndUser | None = self.outcome
        return user

    async def identify(self, scope: Any) -> EndUser | None:
        self.immediate = True
        return self.at_hand(scope)

    async def aclose(self) -> None:
        self.log.append(f"{self.name} closed")


class HostApp:
    """401 for everyone, like an app nobody is signed in to; puts a session into the scope if it has one."""

    def __init__(self, session: Any = None) -> None:
        self.session = session
        self.paths: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.paths.append(scope["path"])
        if self.session is not None:
            scope["session"] = self.session
        await send({"type": "http.response.start", "status": 401, "headers": []})
        await send({"type": "http.response.body", "body": b'{"id": "1"}'})


def chains(app: Any = None, sources: Any = EVERY_SOURCE, **options: Any) -> Any:
    identity = PARSE.validate_python(sources, context={"environ": {"S": SECRET}})
    trusted = TrustedPeers([ip_network("10.0.0.0/8")])
    return build_chains(identity, app=app or HostApp(), trusted=trusted, **options)


ANN, BOB = EndUser("ann"), EndUser("bob")


@pytest.mark.parametrize(
    ("outcomes", "expected", "asked"),
    [
        pytest.param([], None, "", id="no-sources"),
        pytest.param([None, None], None, "ab", id="nobody"),
        pytest.param([ANN, BOB], ANN, "a", id="first-that-knows"),
        pytest.param([None, BOB], BOB, "ab", id="second"),
    ],
)
async def test_first_that_knows_wins(outcomes: Any, expected: Any, asked: str) -> None:
    log: list[str] = []
    chain = IdentityChain(Source(name, outcome, log) for name, outcome in zip("abc", outcomes, strict=False))
    assert await chain.identify({}) == expected
    assert "".join(log) == asked
    assert chain.at_hand({}) == expected
    assert "".join(log) == asked * 2


@pytest.mark.parametrize("error", [IdentityError("away"), RuntimeError("s3cret"), KeyError("s3cret")])
@pytest.mark.parametrize("at_hand", [False, True])
async def test_a_source_that_fails_ends_it(error: Exception, at_hand: bool, caplog: pytest.LogCaptureFixture) -> None:
    later = Source("b", BOB)
    chain = IdentityChain([Source("a", error), later])
    with pytest.raises(IdentityError) as caught:
        chain.at_hand({}) if at_hand else await chain.identify({})
    assert later.log == []
    assert "s3cret" not in caught.value.message
    assert isinstance(error, IdentityError) or "identity source a failed" in caplog.text


@pytest.mark.parametrize(
    ("sources", "expected"),
    [([], True), ([True, True], True), ([True, False], False)],
)
def test_a_chain_is_immediate_if_all_its_sources_are(sources: list[bool], expected: bool) -> None:
    chain = IdentityChain(Source("a", None, immediate=immediate) for immediate in sources)
    assert chain.immediate is expected


def test_at_hand_nobody_is_asked_who_would_wait() -> None:
    log: list[str] = []
    knows, knows_not = Source("a", ANN, log), Source("a", None, log)
    waits = Source("b", BOB, log, immediate=False)
    assert IdentityChain([knows, waits]).at_hand({}) == ANN
    with pytest.raises(NotAtHand):
        IdentityChain([knows_not, waits]).at_hand({})
    assert "b" not in log


async def known_late(scope: Any) -> EndUser | None:
    return None


@pytest.mark.parametrize(
    ("sources", "callback", "pages", "routes"),
    [
        pytest.param(EVERY_SOURCE[:1], None, True, False, id="scope"),
        pytest.param(EVERY_SOURCE[1:2], None, True, True, id="headers"),
        pytest.param(EVERY_SOURCE[2:3], None, True, True, id="jwt-with-a-secret"),
        pytest.param(
            [{"source": "jwt", "jwks_url": "https://id.acme.com/jwks", "algorithms": ["RS256"]}],
            None,
            False,
            False,
            id="jwt-with-published-keys",
        ),
        pytest.param(EVERY_SOURCE[3:], None, False, False, id="whoami"),
        pytest.param([], lambda scope: None, True, True, id="sync-callback"),
        pytest.param([], known_late, False, False, id="async-callback"),
        pytest.param([], functools.partial(known_late), False, False, id="partial-of-async-callback"),
    ],
)
def test_which_sources_are_immediate(sources: Any, callback: Any, pages: bool, routes: bool) -> None:
    built = chains(sources=sources, callback=callback)
    assert (built.pages.immediate, built.routes.immediate) == (pages, routes)


async def test_two_chains_share_all_but_scope() -> None:
    built = chains(callback=lambda scope: None)
    assert [source.name for source in built.pages.sources] == ["callback", "scope", "headers", "jwt", "whoami"]
    pairs = list(zip(built.pages.sources, built.routes.sources, strict=True))
    assert [page is route for page, route in pairs] == [True, False, True, True, True]
    assert isinstance(built.routes.sources[1], ScopeSource)
    await built.aclose()


async def test_every_source_is_closed_once() -> None:
    built = chains(sources=[])
    log: list[str] = []
    shared, page, route = Source("s", None, log), Source("p", None, log), Source("r", None, log)
    built = type(built)(IdentityChain([page, shared]), IdentityChain([route, shared]))
    await built.aclose()
    assert sorted(log) == ["p closed", "r closed", "s closed"]


async def test_the_callback_is_asked_first(make_scope: Any) -> None:
    built = chains(callback=lambda scope: ANN)
    assert await built.pages.identify(make_scope(session={"user_id": "bob"})) == ANN


async def test_only_the_chain_for_routes_probes_the_app(make_scope: Any) -> None:
    app = HostApp(session={"user_id": 7})
    built = chains(app, EVERY_SOURCE[:1], mount_path="/kunden")
    assert await built.pages.identify(make_scope()) is None
    assert app.paths == []
    assert (await built.routes.identify(make_scope())).id == "7"
    assert app.paths == ["/kunden/-/whoami-probe"]


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        ([], set()),
        (EVERY_SOURCE, {b"x-user-id", b"x-user-email"}),
        ([EVERY_SOURCE[1], {"source": "headers", "id": "X_Other"}], {b"x-user-id", b"x-user-email", b"x-other"}),
    ],
)
def test_header_names(sources: Any, expected: set[bytes]) -> None:
    assert chains(sources=sources).header_names == expected


def signed(secret: str, **claims: Any) -> bytes:
    return jwt.encode({"sub": "mallory", "exp": time.time() + 3600, **claims}, secret).encode()


# What an attacker controls: the path, the query, headers, cookies, the body.
INJECTIONS: dict[str, Any] = {
    "query": {"query_string": b"user_id=1&id=1&sub=1&X-User-Id=1&session[user_id]=1&token=1"},
    "path": {"path": "/portal/success/launch/user_id=1"},
    "header": {"headers": [(b"x-user-id", b"1")]},
    "folded header": {"headers": [(b"x_user_id", b"1")]},
    "header in capitals": {"headers": [(b"X-USER-ID", b"1")]},
    "forwarded from a trusted proxy": {"headers": [(b"x-user-id", b"1"), (b"x-forwarded-for", b"10.0.0.1")]},
    "remote user": {"headers": [(b"remote-user", b"1"), (b"x-remote-user", b"1"), (b"x-forwarded-user", b"1")]},
    "session as a header": {"headers": [(b"session", b'{"user_id": 1}'), (b"x-session", b"1")]},
    "subrequest as a header": {"headers": [(b"portal_gateway.subrequest", b"1"), (b"x-user-id", b"1")]},
    "user id as a cookie": {"headers": [(b"cookie", b"user_id=1; id=1; X-User-Id=1; sub=1")]},
    "forged token": {"headers": [(b"cookie", b"token=" + signed("f" * 32))]},
    "token as bearer": {"headers": [(b"authorization", b"Bearer " + signed(SECRET))]},
    "token in a header": {"headers": [(b"token", signed(SECRET)), (b"x-token", signed(SECRET))]},
    "token in the query": {"query_string": b"token=" + signed(SECRET)},
    "body": {"method": "POST", "headers": [(b"content-type", b"application/json"), (b"content-length", b"13")]},
    "method override": {"headers": [(b"x-http-method-override", b"GET"), (b"cookie", b"x=1")]},
}


@pytest.mark.parametrize("kind", ["pages", "routes"])
@pytest.mark.parametrize("injection", INJECTIONS.values(), ids=INJECTIONS)
async def test_no_query_header_or_body_value_sets_the_identity(injection: Any, kind: str, make_scope: Any) -> None:
    given = dict(injection)
    built = chains(HostApp(session={}))
    assert await getattr(built, kind).identify(make_scope(*given.pop("headers", ()), **given)) is None
    await built.aclose()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param({"session": {"user_id": 1}}, "1", id="session"),
        pytest.param({"headers": [(b"x-user-id", b"2")], "client": PROXY}, "2", id="headers"),
        pytest.param({"headers": [(b"cookie", b"token=" + signed(SECRET, sub="3"))]}, "3", id="jwt"),
    ],
)
async def test_the_same_sources_do_know_proven_users(given: Any, expected: str, make_scope: Any) -> None:
    given = dict(given)
    built = chains()
    user = await built.pages.identify(make_scope(*given.pop("headers", ()), **given))
    assert user is not None
    assert user.id == expected


async def test_recursion_a_subrequest_that_comes_back_ends(make_scope: Any) -> None:
    """An app that hands its own subrequest back to the chain (a middleware that forgot to look at the mark)."""
    outcomes: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            outcomes.append(await built.routes.identify(scope))
        except IdentityError as error:
            outcomes.append(error.message)
        await HostApp()(scope, receive, send)

    built = chains(app, EVERY_SOURCE[3:])
    assert await built.routes.identify(make_scope((b"cookie", b"a=b"))) is None
    assert outcomes == ["the app's answer about a user was itself asked for a user"]


def test_jwt_and_httpx_are_imported_late() -> None:
    code = (
        "import sys; from portal_gateway.identity.chain import build_chains;"
        "from portal_gateway.wire.trust import TrustedPeers;"
        "build_chains((), app=None, trusted=TrustedPeers([]));"
        "print([m for m in ('portal_gateway.identity.jwt', 'portal_gateway.identity.whoami') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
