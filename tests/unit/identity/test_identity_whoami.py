from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from portal_gateway.errors import IdentityError
from portal_gateway.identity.base import NotAtHand
from portal_gateway.identity.subrequest import MAX_BODY_BYTES, Subrequest
from portal_gateway.identity.whoami import MAX_ANSWERS, WhoamiSource
from portal_gateway.settings.identity import WhoamiIdentity

COOKIE = (b"cookie", b"session=ann")


class MeApp:
    """An app with one answer at every path; counts the questions and can hold them back."""

    def __init__(self, status: int = 200, body: bytes = b'{"user": {"id": 7, "email": "ann@acme.com"}}') -> None:
        self.status = status
        self.body = body
        self.content_type = b"application/json"
        self.asked: list[Any] = []
        self.gate: asyncio.Event | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked.append(scope)
        if self.gate is not None:
            await self.gate.wait()
        headers = [(b"content-type", self.content_type), (b"set-cookie", b"session=rolled")]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


def asking(app: Any, clock: Any = None, **settings: Any) -> WhoamiSource:
    fields = {"id": "user.id", "email": "user.email"}
    parsed = WhoamiIdentity.model_validate({"source": "whoami", "path": "/api/me", "fields": fields, **settings})
    return WhoamiSource(parsed, Subrequest(app), **({"clock": clock} if clock else {}))


async def known_id(source: WhoamiSource, scope: Any) -> str | None:
    user = await source.identify(scope)
    return None if user is None else user.id


async def test_the_app_says_who_it_is(make_scope: Any) -> None:
    app = MeApp()
    user = await asking(app).identify(make_scope(COOKIE, (b"referer", b"/x"), (b"x-user-id", b"9")))
    assert user is not None
    assert (user.id, user.email) == ("7", "ann@acme.com")
    assert app.asked[0]["path"] == "/api/me"
    assert app.asked[0]["headers"] == [(b"host", b"app.acme.com"), COOKIE, (b"accept", b"application/json")]


async def test_without_credentials_the_app_is_not_asked(make_scope: Any) -> None:
    app = MeApp()
    assert await asking(app).identify(make_scope((b"x-forwarded-user", b"ann"))) is None
    assert app.asked == []


@pytest.mark.parametrize("name", [b"cookie", b"Cookie", b"authorization", b"Authorization"])
async def test_what_counts_as_credentials(name: bytes, make_scope: Any) -> None:
    assert await known_id(asking(MeApp()), make_scope((name, b"x"))) == "7"


@pytest.mark.parametrize(
    ("status", "body"),
    [
        pytest.param(401, b"", id="401"),
        pytest.param(403, b'{"user": {"id": 7}}', id="403"),
        pytest.param(404, b"", id="404"),
        pytest.param(302, b"", id="redirect-to-login"),
        pytest.param(304, b"", id="304"),
        pytest.param(200, b"null", id="null"),
        pytest.param(200, b"{}", id="empty"),
        pytest.param(200, b'{"user": null}', id="null-user"),
        pytest.param(200, b'{"user": {"id": ""}}', id="empty-id"),
        pytest.param(200, b'{"user": {"id": true}}', id="bool-id"),
        pytest.param(200, b'{"user": {"id": [7]}}', id="list-id"),
    ],
)
async def test_answers_that_mean_nobody(status: int, body: bytes, make_scope: Any) -> None:
    app = MeApp(status, body)
    source = asking(app)
    assert await source.identify(make_scope(COOKIE)) is None
    assert await source.identify(make_scope(COOKIE)) is None
    assert len(app.asked) == 1


@pytest.mark.parametrize(
    ("status", "body"),
    [
        pytest.param(500, b'{"user": {"id": 7}}', id="500"),
        pytest.param(503, b"", id="503"),
        pytest.param(429, b"", id="429"),
        pytest.param(400, b"", id="400"),
        pytest.param(201, b'{"user": {"id": 7}}', id="201"),
        pytest.param(206, b'{"user": {"id": 7}}', id="206"),
        pytest.param(200, b"<!doctype html><form>", id="login-page"),
        pytest.param(200, b"", id="empty-body"),
        pytest.param(200, b'[{"user": {"id": 7}}]', id="list"),
        pytest.param(200, b'"7"', id="text"),
        pytest.param(200, b"7", id="number"),
        pytest.param(200, b"\xff\xfe\x00", id="binary"),
        pytest.param(200, b"[" * 60_000, id="deep"),
        pytest.param(200, b'{"user": {"id": 7}, "x": "%s"}' % (b"x" * MAX_BODY_BYTES), id="too-large"),
    ],
)
async def test_answers_that_are_unclear_are_errors_and_not_remembered(
    status: int, body: bytes, make_scope: Any
) -> None:
    app = MeApp(status, body)
    source = asking(app)
    for _ in range(2):
        with pytest.raises(IdentityError):
            await source.identify(make_scope(COOKIE))
    assert len(app.asked) == 2


@pytest.mark.parametrize(("status", "body"), [(404, b""), (200, b"<html>")])
async def test_a_likely_mistake_is_logged_once(
    status: int, body: bytes, make_scope: Any, caplog: pytest.LogCaptureFixture
) -> None:
    source = asking(MeApp(status, body), cache_s=0)
    with caplog.at_level(logging.WARNING, "portal_gateway.identity"):
        for _ in range(3):
            try:
                await source.identify(make_scope(COOKIE))
            except IdentityError:
                continue
    assert len(caplog.records) == 1
    assert "/api/me" in caplog.text


async def test_an_app_that_hangs_is_an_error(make_scope: Any) -> None:
    app = MeApp()
    app.gate = asyncio.Event()
    with pytest.raises(IdentityError, match="in time"):
        await asking(app, timeout_s=0.01).identify(make_scope(COOKIE))


async def test_an_answer_holds_for_a_while(make_scope: Any, clock: Any) -> None:
    app = MeApp()
    source = asking(app, clock, cache_s=10)
    await source.identify(make_scope(COOKIE))
    clock.now += 9.9
    app.body = b"null"
    assert await known_id(source, make_scope(COOKIE)) == "7"
    clock.now += 0.1
    assert await known_id(source, make_scope(COOKIE)) is None
    assert len(app.asked) == 2


async def test_only_a_remembered_answer_is_at_hand(make_scope: Any) -> None:
    app = MeApp()
    source, scope = asking(app), make_scope(COOKIE)
    with pytest.raises(NotAtHand):
        source.at_hand(scope)
    assert app.asked == []
    user = await source.identify(scope)
    assert source.at_hand(scope) == user
    assert source.at_hand(make_scope()) is None
    assert len(app.asked) == 1


async def test_cache_s_0_asks_each_time(make_scope: Any) -> None:
    app = MeApp()
    source = asking(app, cache_s=0)
    for _ in range(3):
        await source.identify(make_scope(COOKIE))
    assert len(app.asked) == 3


OTHERS: dict[str, Any] = {
    "other cookie": {"headers": [(b"cookie", b"session=bob")]},
    "second cookie": {"headers": [COOKIE, (b"cookie", b"x=1")]},
    "cookie and bearer": {"headers": [COOKIE, (b"authorization", b"Bearer b")]},
    "second host": {"headers": [(b"host", b"evil.example"), COOKIE]},
    "forwarded user": {"headers": [COOKIE, (b"x-forwarded-user", b"bob")]},
    "forwarded host": {"headers": [COOKIE, (b"x-forwarded-host", b"b")]},
    "other browser": {"headers": [COOKIE, (b"user-agent", b"b")]},
    "other address": {"headers": [COOKIE], "client": ("203.0.113.10", 50000)},
    "other scheme": {"headers": [COOKIE], "scheme": "https"},
    "split otherwise": {"headers": [(b"cookie", b"session=an"), (b"n", b"")]},
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
async def test_callers_who_differ_in_what_the_app_sees_never_share_an_answer(other: Any, make_scope: Any) -> None:
    app = MeApp()
    source = asking(app)
    await source.identify(make_scope(COOKIE))
    app.body = b'{"user": {"id": "bob"}}'
    given = dict(other)
    assert await known_id(source, make_scope(*given.pop("headers"), **given)) == "bob"


@pytest.mark.parametrize(
    "same",
    [
        pytest.param({"client": ("203.0.113.9", 50001)}, id="other-connection"),
        pytest.param({"path": "/other"}, id="other-page"),
        pytest.param({"query_string": b"user_id=2"}, id="query"),
    ],
)
async def test_one_caller_is_asked_about_once(same: Any, make_scope: Any) -> None:
    app = MeApp()
    source = asking(app)
    await source.identify(make_scope(COOKIE))
    await source.identify(make_scope(COOKIE, (b"referer", b"/"), (b"traceparent", b"1"), **same))
    assert len(app.asked) == 1


async def test_fifty_at_once_make_one_question(make_scope: Any) -> None:
    app = MeApp()
    app.gate = asyncio.Event()
    source = asking(app)
    waiting = [asyncio.create_task(source.identify(make_scope(COOKIE))) for _ in range(50)]
    other = asyncio.create_task(source.identify(make_scope((b"cookie", b"session=bob"))))
    while len(app.asked) < 2:
        await asyncio.sleep(0)
    app.gate.set()
    users = await asyncio.gather(*waiting, other)
    assert {user.id for user in users if user} == {"7"}
    assert len(app.asked) == 2


async def test_one_closed_tab_does_not_cancel_the_others(make_scope: Any) -> None:
    app = MeApp()
    app.gate = asyncio.Event()
    source = asking(app)
    first = asyncio.create_task(source.identify(make_scope(COOKIE)))
    second = asyncio.create_task(source.identify(make_scope(COOKIE)))
    while not app.asked:
        await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    app.gate.set()
    user = await second
    assert user is not None
    assert len(app.asked) == 1


async def test_memory_is_bounded_and_holds_no_credentials(make_scope: Any) -> None:
    source = asking(MeApp(200, b"null"))
    assert source._answers.maxsize == MAX_ANSWERS
    await source.identify(make_scope((b"cookie", b"session=s3cret")))
    assert "s3cret" not in repr(dict(source._answers))


async def test_aclose_ends_questions_and_forgets(make_scope: Any) -> None:
    app = MeApp()
    source = asking(app)
    await source.identify(make_scope(COOKIE))
    app.gate = asyncio.Event()
    hanging = asyncio.create_task(source.identify(make_scope((b"cookie", b"b=c"))))
    while len(app.asked) < 2:
        await asyncio.sleep(0)
    await source.aclose()
    with pytest.raises(asyncio.CancelledError):
        await hanging
    assert len(source._answers) == 0


async def test_a_real_app_with_sessions(make_scope: Any) -> None:
    async def me(request: Request) -> Response:
        if "user_id" not in request.session:
            return Response(status_code=401)
        return JSONResponse({"user": {"id": request.session["user_id"]}})

    async def sign_in(request: Request) -> Response:
        request.session["user_id"] = request.query_params["as"]
        return Response()

    app = Starlette(
        routes=[Route("/api/me", me), Route("/in", sign_in)],
        middleware=[Middleware(SessionMiddleware, secret_key="k")],
    )
    signed_in = await Subrequest(app).get(make_scope(), "/in?as=ann", [], 5)
    cookie = dict(signed_in.headers)[b"set-cookie"].partition(b";")[0]
    assert await known_id(asking(app), make_scope((b"cookie", cookie))) == "ann"
    assert await known_id(asking(app), make_scope((b"cookie", b"session=forged"))) is None
