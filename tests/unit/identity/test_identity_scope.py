from __future__ import annotations

import base64
import json
import logging
from types import SimpleNamespace
from typing import Any

import itsdangerous
import pytest
from fastapi import FastAPI
from litestar import Litestar, get
from litestar.middleware.session.client_side import CookieBackendConfig
from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, AuthenticationError, SimpleUser
from starlette.authentication import UnauthenticatedUser as Anonymous
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from portal_gateway.errors import IdentityError
from portal_gateway.identity.base import NotAtHand
from portal_gateway.identity.scope import ScopeSource
from portal_gateway.identity.subrequest import Subrequest
from portal_gateway.settings.identity import FieldMap, ScopeIdentity

PROBE_PATH = "/portal/-/whoami-probe"
SESSION = ScopeIdentity(source="scope", session=FieldMap(id="user_id", email="email"))
USER = ScopeIdentity(source="scope", user=FieldMap(id="id"))
BOTH = ScopeIdentity(source="scope", user=FieldMap(id="id"), session=FieldMap(id="user_id"))
HOME = [Route("/", lambda request: PlainTextResponse("home"))]


def signed_session(values: dict[str, Any], key: str = "k") -> tuple[bytes, bytes]:
    data = base64.b64encode(json.dumps(values).encode())
    return b"cookie", b"session=" + itsdangerous.TimestampSigner(key).sign(data)


def probing(app: Any, settings: ScopeIdentity = SESSION) -> ScopeSource:
    return ScopeSource(settings, Subrequest(app), PROBE_PATH)


async def known_id(source: ScopeSource, scope: Any) -> str | None:
    user = await source.identify(scope)
    return None if user is None else user.id


class Failing:
    id = 1

    @property
    def is_authenticated(self) -> bool:
        raise NotImplementedError


class Broken:
    id = 1

    @property
    def is_authenticated(self) -> bool:
        raise AttributeError("a bug inside the property")


class WithMethod:
    id = 1

    def is_authenticated(self) -> bool:
        return False


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        pytest.param(SimpleNamespace(id=1, is_authenticated=True), "1", id="authenticated"),
        pytest.param(SimpleNamespace(id=1), "1", id="knows-no-such-flag"),
        pytest.param({"id": 1}, "1", id="mapping"),
        pytest.param({"id": 1, "is_authenticated": True}, "1", id="authenticated-mapping"),
        pytest.param({"id": 1, "is_authenticated": False}, None, id="anonymous-mapping"),
        pytest.param(SimpleNamespace(id=1, is_authenticated=False), None, id="anonymous"),
        pytest.param(SimpleNamespace(id=1, is_authenticated=None), None, id="unclear"),
        pytest.param(SimpleNamespace(id=1, is_authenticated="no"), None, id="text"),
        pytest.param(WithMethod(), None, id="method-is-no-yes"),
        pytest.param(Failing(), None, id="flag-raises"),
        pytest.param(Broken(), None, id="flag-raises-attribute-error"),
        pytest.param(Anonymous(), None, id="starlette-anonymous"),
        pytest.param(SimpleNamespace(is_authenticated=True), None, id="no-id"),
        pytest.param(None, None, id="none"),
        pytest.param("1", None, id="text-user"),
    ],
)
async def test_scope_user(user: Any, expected: str | None, make_scope: Any) -> None:
    assert await known_id(ScopeSource(USER), make_scope(user=user)) == expected


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        pytest.param({"session": {"user_id": 7}}, "7", id="session-alone"),
        pytest.param({"user": {"id": 1}, "session": {"user_id": 7}}, "1", id="user-first"),
        pytest.param({"user": Anonymous(), "session": {"user_id": 7}}, None, id="signed-out-user-decides"),
        pytest.param({"user": {}, "session": {"user_id": 7}}, None, id="user-without-id-decides"),
        pytest.param({}, None, id="neither"),
    ],
)
async def test_user_and_session(keys: Any, expected: str | None, make_scope: Any) -> None:
    assert await known_id(ScopeSource(BOTH), make_scope(**keys)) == expected


async def test_what_is_not_configured_is_not_read(make_scope: Any) -> None:
    scope = make_scope(user={"id": 1}, session={"user_id": 7})
    assert await known_id(ScopeSource(USER), scope) == "1"
    assert await known_id(ScopeSource(SESSION), scope) == "7"


@pytest.mark.parametrize("make_app", [Starlette, FastAPI], ids=["starlette", "fastapi"])
async def test_probe_finds_the_session_of_an_inner_middleware(make_app: Any, make_scope: Any) -> None:
    app = make_app(middleware=[Middleware(SessionMiddleware, secret_key="k")], routes=HOME)
    source = probing(app)
    scope = make_scope(signed_session({"user_id": 7, "email": "ann@acme.com"}), path="/portal/a/launch")
    user = await source.identify(scope)
    assert user is not None
    assert (user.id, user.email) == ("7", "ann@acme.com")
    assert "session" not in scope
    assert await source.identify(make_scope()) is None
    assert await source.identify(make_scope(signed_session({"user_id": 7}, key="forged"))) is None


@pytest.mark.parametrize("make_app", [Starlette, FastAPI], ids=["starlette", "fastapi"])
async def test_a_page_needs_no_probe(make_app: Any, make_scope: Any) -> None:
    app = make_app(middleware=[Middleware(SessionMiddleware, secret_key="k")], routes=HOME)
    scope = make_scope(signed_session({"user_id": 7}), path="/")
    found = []

    async def send(message: Any) -> None:
        found.append(await known_id(ScopeSource(SESSION), scope))

    await app(scope, None, send)
    assert found == ["7", "7"]


class TokenBackend(AuthenticationBackend):
    async def authenticate(self, conn: HTTPConnection) -> Any:
        token = conn.headers.get("authorization")
        if token == "bad":
            raise AuthenticationError("bad token")
        return None if token is None else (AuthCredentials(), SimpleUser(token))


@pytest.mark.parametrize(
    ("headers", "expected"),
    [([(b"authorization", b"ann")], "ann"), ([], None), ([(b"authorization", b"bad")], None)],
)
async def test_probe_finds_the_user_of_authentication_middleware(
    headers: Any, expected: str | None, make_scope: Any
) -> None:
    app = Starlette(middleware=[Middleware(AuthenticationMiddleware, backend=TokenBackend())], routes=HOME)
    settings = ScopeIdentity(source="scope", user=FieldMap(id="username"))
    assert await known_id(probing(app, settings), make_scope(*headers)) == expected


async def test_probe_for_the_user_within_a_session_around_us(make_scope: Any) -> None:
    class FromSession(AuthenticationBackend):
        async def authenticate(self, conn: HTTPConnection) -> Any:
            return AuthCredentials(), SimpleUser("from-inside")

    app = Starlette(middleware=[Middleware(AuthenticationMiddleware, backend=FromSession())])
    settings = ScopeIdentity(source="scope", user=FieldMap(id="username"), session=FieldMap(id="user_id"))
    scope = make_scope(session={"user_id": 7})
    assert await known_id(probing(app, settings), scope) == "from-inside"


async def test_the_app_has_the_last_word_over_a_session_around_us(make_scope: Any) -> None:
    app = Starlette(middleware=[Middleware(SessionMiddleware, secret_key="k")])
    scope = make_scope(signed_session({"user_id": 8}), session={"user_id": 7})
    assert await known_id(probing(app, BOTH), scope) == "8"


async def test_a_session_around_us_is_not_probed_for(make_scope: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("asked")

    assert await known_id(probing(app), make_scope(session={"user_id": 7})) == "7"


def test_only_what_is_in_the_scope_is_at_hand(make_scope: Any) -> None:
    scope = make_scope()
    assert ScopeSource(SESSION).at_hand(scope) is None
    with pytest.raises(NotAtHand):
        probing(Starlette()).at_hand(scope)
    user = probing(Starlette()).at_hand({**scope, "session": {"user_id": 7}})
    assert user is not None
    assert user.id == "7"


async def test_litestar_fills_the_scope_of_a_page(make_scope: Any) -> None:
    @get("/page", sync_to_thread=False)
    def page() -> str:
        return "page"

    backend = CookieBackendConfig(secret=b"0123456789abcdef")
    app = Litestar([page], middleware=[backend.middleware], logging_config=None)
    cookies = backend._backend_class(backend).dump_data({"user_id": 7})
    scope = make_scope((b"cookie", b"session=" + cookies[0]))
    found = []

    async def send(message: Any) -> None:
        found.append(await known_id(ScopeSource(SESSION), scope))

    await app(scope, None, send)
    assert found[0] == "7"


async def test_litestar_runs_no_middleware_for_unknown_paths_so_the_probe_warns_once(
    make_scope: Any, caplog: pytest.LogCaptureFixture
) -> None:
    backend = CookieBackendConfig(secret=b"0123456789abcdef")
    cookies = backend._backend_class(backend).dump_data({"user_id": 7})
    source = probing(Litestar([], middleware=[backend.middleware], logging_config=None))
    with caplog.at_level(logging.WARNING, "portal_gateway.identity"):
        for _ in range(2):
            assert await source.identify(make_scope((b"cookie", b"session=" + cookies[0]))) is None
    assert len(caplog.records) == 1
    assert "whoami" in caplog.text


async def test_an_app_that_copies_its_scope_tells_nothing(make_scope: Any) -> None:
    inner = Starlette(middleware=[Middleware(SessionMiddleware, secret_key="k")], routes=HOME)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await inner(dict(scope), receive, send)

    assert await probing(app).identify(make_scope(signed_session({"user_id": 7}))) is None


async def test_the_probe_is_a_marked_get_of_the_caller(make_scope: Any) -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(dict(scope))
        scope["session"] = {"user_id": scope["path"]}
        await PlainTextResponse("no such page", 404)(scope, receive, send)

    scope = make_scope((b"cookie", b"a=b"), (b"content-length", b"3"), path="/portal/-/forget", method="POST")
    assert await known_id(probing(app), scope) == PROBE_PATH
    assert (seen[0]["method"], seen[0]["portal_gateway.subrequest"]) == ("GET", True)
    assert (b"cookie", b"a=b") in seen[0]["headers"]
    assert b"content-length" not in dict(seen[0]["headers"])


async def test_a_failing_app_is_an_identity_error(make_scope: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError

    with pytest.raises(IdentityError):
        await probing(app).identify(make_scope())
