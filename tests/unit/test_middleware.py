from __future__ import annotations

import inspect
from collections.abc import Iterator, MutableMapping
from typing import Any

import pytest
import uvicorn
from asgiref.compatibility import is_double_callable
from gateway_kit import (
    BROWSER,
    FETCH,
    HTML,
    LINK,
    PAGE,
    App,
    PageApp,
    Response,
    ScriptedProvider,
    ask,
    fill_session,
    http_scope,
    settings,
    wrapped,
)
from hypercorn.utils import is_asgi

from portal_gateway import PortalGatewayMiddleware
from portal_gateway.errors import SettingsError
from portal_gateway.identity.subrequest import SUBREQUEST_KEY

NAV = {"at": "nav", "position": "append"}
HEADERS = {"source": "headers", "id": "X-User-Id", "email": "X-User-Email"}
TRUSTED = {"identity": [HEADERS], "trusted_proxies": ["10.0.0.0/8"]}
SPELLINGS = [b"x-user-id", b"X-User-Id", b"x_user_id", b"X_USER-ID", b"x-user_email"]
JSON = (b"content-type", b"application/json")


class Spy:
    """An app that notes the very objects it is called with."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, Any, Any]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.calls.append((scope, receive, send))

    @property
    def scope(self) -> Any:
        return self.calls[-1][0]

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        return list(self.scope["headers"])


async def receive() -> Any:
    raise AssertionError("nothing is received")


async def send(_message: Any) -> None:
    raise AssertionError("nothing is sent")


Make = Any


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Make:
    def make(app: App, *inject: dict[str, Any], provider: Any = None, **top: Any) -> PortalGatewayMiddleware:
        return wrapped(app, settings(*inject, **top), {"success": provider or ScriptedProvider()}, monkeypatch)

    return make


@pytest.mark.parametrize("trusted", [True, False])
async def test_headers_may_come_as_lists(gateway: Make, trusted: bool) -> None:
    """Of servers and of apps: ASGI asks for two bytes strings each, in any iterable."""
    app = PageApp(headers=[[b"content-type", b"text/html"], [b"x-own", b"1"]])  # type: ignore[list-item]
    validators = [(b"if-none-match", b'"a"'), (b"range", b"bytes=0-1"), (b"accept-encoding", b"foo, gzip")]
    scope = http_scope("/page", *BROWSER, *validators, (b"x-user-id", b"jane"), (b"x_user_email", b"j@acme.com"))
    scope["headers"] = [list(line) for line in scope["headers"]]
    scope["client"] = ("10.0.0.1", 1) if trusted else ("203.0.113.9", 1)
    for _ in range(2):
        response = Response()
        await gateway(app, NAV, **TRUSTED)(scope, receive, response.send)
        assert response.status == 200
        assert (b"x-own", b"1") in response.headers


class ReadingFrom(MutableMapping[str, Any]):
    """A mapping that is no dict."""

    def __init__(self, inner: dict[str, Any]) -> None:
        self.inner = inner

    def __getitem__(self, key: str) -> Any:
        return self.inner[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.inner[key] = value

    def __delitem__(self, key: str) -> None:
        del self.inner[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.inner)

    def __len__(self) -> int:
        return len(self.inner)


async def test_scopes_and_messages_may_be_any_mapping(gateway: Make) -> None:
    page = PageApp()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        async def as_mapping(message: Any) -> None:
            await send(ReadingFrom(message))

        await page(scope, receive, as_mapping)

    wrapper = gateway(app, NAV)
    for _ in range(2):
        response = Response()
        await wrapper(ReadingFrom(http_scope("/page", *BROWSER, user="jane")), receive, response.send)
        assert response.status == 200
    assert LINK in response.body


async def test_it_can_be_subclassed() -> None:
    """Also where the rest of the package is compiled."""
    seen = []

    class Noticing(PortalGatewayMiddleware):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            seen.append(scope["path"])
            await super().__call__(scope, receive, send)

    response = Response()
    await Noticing(PageApp(), settings(NAV))(http_scope("/page", *BROWSER), receive, response.send)
    assert (seen, response.status) == (["/page"], 200)


def test_servers_take_it_for_an_app_of_asgi_3() -> None:
    """They look whether calling it gives a coroutine, each in its own way, and would call anything else otherwise."""
    app = PortalGatewayMiddleware(PageApp(), settings(NAV))
    config = uvicorn.Config(app, log_config=None)
    config.load()
    assert config.interface == "asgi3"
    assert is_asgi(app)
    assert not is_double_callable(app)


@pytest.mark.parametrize(
    "scope", [http_scope("/page", *BROWSER), http_scope("/portal/-/nothing"), {"type": "lifespan"}]
)
async def test_it_gives_a_coroutine(gateway: Make, scope: dict[str, Any]) -> None:
    """Event loops make a task of nothing else."""
    answering = gateway(PageApp(), NAV)(scope, receive, send)
    assert inspect.iscoroutine(answering)
    answering.close()


class TestPassThrough:
    """What is not ours gets the server's own scope, receive and send."""

    async def check(self, app: PortalGatewayMiddleware, spy: Spy, scope: dict[str, Any]) -> None:
        await app(scope, receive, send)
        ((given, given_receive, given_send),) = spy.calls
        assert given is scope
        assert given_receive is receive
        assert given_send is send

    async def test_a_path_without_a_rule(self, gateway: Make) -> None:
        spy = Spy()
        app = gateway(spy, {**NAV, "paths": ["/other"]})
        await self.check(app, spy, http_scope("/page", *BROWSER))
        assert app.gateway.events.counts["not_injected", "", "no_rule"] == 1

    @pytest.mark.parametrize(
        ("reason", "headers", "others"),
        [
            ("method", BROWSER, {"method": "POST"}),
            ("not_a_document", FETCH, {}),
            ("not_a_document", [(b"sec-fetch-dest", b"image")], {}),
            ("not_a_document", [(b"accept", b"application/json")], {}),
            ("prefetch", [*BROWSER, (b"sec-purpose", b"prefetch;prerender")], {}),
            ("partial", [(b"hx-request", b"true")], {}),
        ],
    )
    async def test_a_request_for_something_else_than_a_page(
        self, gateway: Make, reason: str, headers: Any, others: dict[str, Any]
    ) -> None:
        spy = Spy()
        app = gateway(spy, NAV)
        validators = [(b"if-none-match", b'"a"'), (b"range", b"bytes=0-1"), (b"accept-encoding", b"br")]
        await self.check(app, spy, http_scope("/page", *headers, *validators, **others))
        assert app.gateway.events.counts["not_injected", "", reason] == 1

    async def test_a_websocket_even_below_the_mount_path(self, gateway: Make) -> None:
        for path in ("/ws", "/portal/success/launch"):
            spy = Spy()
            await self.check(gateway(spy, NAV), spy, {**http_scope(path), "type": "websocket"})

    @pytest.mark.parametrize("kind", ["webtransport", "made-up"])
    async def test_a_scope_type_that_nobody_knows_yet(self, gateway: Make, kind: str) -> None:
        spy = Spy()
        await self.check(gateway(spy, NAV), spy, {"type": kind})

    async def test_a_subrequest_of_our_own(self, gateway: Make) -> None:
        for path in ("/page", "/portal/success/launch"):
            spy = Spy()
            await self.check(gateway(spy, NAV), spy, http_scope(path, **{SUBREQUEST_KEY: True}))

    async def test_an_app_that_fails_fails_as_before(self, gateway: Make) -> None:
        async def failing(_scope: Any, _receive: Any, _send: Any) -> None:
            raise LookupError("the app's own")

        for path in ("/page", "/other"):
            with pytest.raises(LookupError, match="own"):
                await gateway(failing, {**NAV, "paths": ["/page"]})(http_scope(path), receive, send)

    async def test_lifespan_runs_through_and_closes_the_gateway(self, gateway: Make) -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            assert scope["type"] == "lifespan"
            while (message := await receive())["type"] != "lifespan.shutdown":
                await send({"type": f"{message['type']}.complete"})
            await send({"type": "lifespan.shutdown.complete"})

        closed: list[bool] = []
        provider = ScriptedProvider()

        async def aclose() -> None:
            closed.append(True)

        provider.aclose = aclose  # type: ignore[method-assign]
        received = [{"type": "lifespan.shutdown"}, {"type": "lifespan.startup"}]
        sent: list[str] = []

        async def next_message() -> Any:
            return received.pop()

        async def note(message: Any) -> None:
            sent.append(message["type"])

        await gateway(app, NAV, provider=provider)({"type": "lifespan"}, next_message, note)
        assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
        assert closed == [True]


class TestMountPath:
    @pytest.mark.parametrize("path", ["/portal", "/portal/", "/portal/success/", "/portal/-/nothing", "/portal/x/y/z"])
    async def test_everything_below_it_is_ours(self, gateway: Make, path: str) -> None:
        spy = Spy()
        await ask(gateway(spy, NAV), path)
        assert all(SUBREQUEST_KEY in scope for scope, *_ in spy.calls), "only the question who is signed in"

    @pytest.mark.parametrize("path", ["/portals", "/portal.html", "/Portal/", "/x/portal/", "//portal/", "/"])
    async def test_nothing_else_is(self, gateway: Make, path: str) -> None:
        spy = Spy()
        await gateway(spy)(http_scope(path), receive, send)
        assert spy.scope["path"] == path

    async def test_it_can_be_set(self, gateway: Make) -> None:
        spy = Spy()
        app = gateway(spy, NAV, mount_path="/tools/portal")
        await app(http_scope("/portal/"), receive, send)
        assert len(spy.calls) == 1
        assert (await ask(app, "/tools/portal/nothing/", *BROWSER)).status == 404

    @pytest.mark.parametrize("path", ["/app/portal/nothing/", "/portal/nothing/"])
    async def test_it_is_below_the_root_path_whether_servers_repeat_that_or_not(self, gateway: Make, path: str) -> None:
        assert (await ask(gateway(Spy(), NAV), path, *BROWSER, root_path="/app")).status == 404

    async def test_links_and_rules_are_below_the_root_path(self, gateway: Make) -> None:
        app = gateway(PageApp(), {**NAV, "paths": ["/page"]})
        response = await ask(app, "/app/page", user="jane", root_path="/app")
        assert b'href="/app/portal/success/launch"' in response.body
        assert LINK not in (await ask(app, "/page/app", user="jane", root_path="/app")).body


class TestPages:
    async def test_the_app_gets_a_request_that_it_can_answer_with_a_page(self, gateway: Make) -> None:
        inner = PageApp()
        asked = [
            (b"if-none-match", b'"a"'),
            (b"if-modified-since", b"x"),
            (b"range", b"bytes=0-1"),
            (b"accept-encoding", b"dcb, gzip"),
        ]
        await ask(gateway(inner, NAV), "/", *asked, user="jane")
        names = dict(inner.scopes[0]["headers"])
        assert names[b"accept-encoding"] == b"gzip"
        assert not names.keys() & {b"if-none-match", b"if-modified-since", b"range"}

    async def test_the_servers_scope_is_not_changed(self, gateway: Make) -> None:
        extensions = {"http.response.pathsend": {}, "http.response.trailers": {}}
        scope = http_scope("/", (b"range", b"bytes=0-1"), user="jane", extensions=extensions, state={"pool": 1})
        before = {**scope, "headers": list(scope["headers"]), "extensions": dict(extensions)}
        inner = PageApp()
        await gateway(inner, NAV)(scope, receive, Response().send)
        assert scope == before
        assert inner.scopes[0]["state"] is scope["state"]

    async def test_a_request_that_needs_no_change_reaches_the_app_as_the_server_made_it(self, gateway: Make) -> None:
        inner = PageApp()
        scope = http_scope("/", *BROWSER, (b"accept-encoding", b"gzip"), state={"pool": 1})
        response = Response()
        await gateway(inner, NAV)(scope, receive, response.send)
        assert inner.scopes[0] is scope

    @pytest.mark.parametrize(
        ("status", "kind", "reason"),
        [
            (200, JSON, "content_type"),
            (404, JSON, "content_type"),
            (200, (b"content-type", b"application/problem+json"), "content_type"),
            (404, HTML, "status"),
            (304, (b"etag", b'"a"'), "not_modified"),
        ],
    )
    async def test_what_is_no_page_leaves_by_the_servers_own_send(
        self, gateway: Make, status: int, kind: Any, reason: str
    ) -> None:
        start = {"type": "http.response.start", "status": status, "headers": [kind]}
        body = {"type": "http.response.body", "body": b"{}"}

        async def app(_scope: Any, _receive: Any, send: Any) -> None:
            await send(start)
            await send(body)

        sent: list[Any] = []

        async def note(message: Any) -> None:
            sent.append(message)

        app_with_gateway = gateway(app, NAV)
        await app_with_gateway(http_scope("/", user="jane"), receive, note)
        assert [message is given for message, given in zip(sent, (start, body), strict=True)] == [True, True]
        assert app_with_gateway.gateway.events.counts == {("not_injected", "", reason): 1}

    async def test_ways_to_send_a_body_past_us_are_withheld(self, gateway: Make) -> None:
        inner = PageApp()
        offered = ["http.response.pathsend", "http.response.zerocopysend", "http.response.trailers", "tls"]
        await ask(gateway(inner, NAV), "/", extensions={name: {} for name in offered})
        assert list(inner.scopes[0]["extensions"]) == ["http.response.trailers", "tls"]

    async def test_they_are_not_where_no_page_is_injected(self, gateway: Make) -> None:
        spy = Spy()
        await gateway(spy, NAV)(http_scope("/", *FETCH, extensions={"http.response.pathsend": {}}), receive, send)
        assert "http.response.pathsend" in spy.scope["extensions"]

    async def test_an_app_that_dies_before_the_body_leaves_the_answer_to_the_server(self, gateway: Make) -> None:
        """Which has seen no head yet, and can still say that something went wrong."""

        async def dying(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": [HTML, (b"content-length", b"99")]})
            raise LookupError("the app's own")

        response = Response()
        with pytest.raises(LookupError):
            await gateway(dying, NAV)(http_scope(user="jane"), receive, response.send)
        assert response.messages == []

    async def test_an_app_that_dies_in_the_body_leaves_it_incomplete(self, gateway: Make) -> None:
        async def dying(scope: Any, receive: Any, send: Any) -> None:
            fill_session(scope)
            await send({"type": "http.response.start", "status": 200, "headers": [HTML]})
            await send({"type": "http.response.body", "body": PAGE[:60], "more_body": True})
            raise LookupError("the app's own")

        response = Response()
        with pytest.raises(LookupError):
            await gateway(dying, NAV)(http_scope(user="jane"), receive, response.send)
        assert PAGE.startswith(response.body)
        assert not response.complete

    async def test_the_origin_that_the_browser_sees_decides_about_self(self, gateway: Make) -> None:
        policy = (b"content-security-policy", b"script-src https://app.acme.com")
        rule = {**NAV, "mode": "loader"}

        async def injected(host: bytes, *headers: tuple[bytes, bytes], **top: Any) -> bool:
            app = gateway(PageApp(headers=[HTML, policy]), rule, **top)
            scope = http_scope("/", *headers, scheme="http")
            scope["headers"][0] = (b"host", host)
            response = Response()
            await app(scope, receive, response.send)
            return b"<portal-link" in response.body

        forwarded = [(b"x-forwarded-proto", b"https"), (b"x-forwarded-host", b"app.acme.com")]
        assert not await injected(b"app.acme.com")  # http, not https
        assert not await injected(b"inner", *forwarded)
        assert await injected(b"inner", *forwarded, trusted_proxies=["203.0.113.0/24"])
        assert await injected(b"inner", public_url="https://app.acme.com")
        for broken in (b"", b"[", b"a:99999", b"a b", b"app.acme.com@evil"):
            assert not await injected(broken)

    @pytest.mark.parametrize("host", [b"a:99999", b"[", b"a b", b"app.acme.com@evil", b""])
    async def test_a_host_that_is_none_is_no_fault_of_ours(self, gateway: Make, host: bytes) -> None:
        policy = (b"content-security-policy", b"script-src https://app.acme.com")
        app = gateway(PageApp(headers=[HTML, policy]), {**NAV, "mode": "loader"})
        scope = http_scope()
        scope["headers"] = [(b"host", host)]
        response = Response()
        await app(scope, receive, response.send)
        assert response.body == PAGE
        assert dict(app.gateway.events.counts) == {("not_injected", "", "csp_script"): 1}


class TestServerTiming:
    @pytest.mark.parametrize(
        ("path", "headers", "others", "reason"),
        [
            ("/other", BROWSER, {}, "no_rule"),
            ("/page", BROWSER, {"method": "POST"}, "method"),
            ("/page", FETCH, {}, "not_a_document"),
            ("/page", [(b"purpose", b"prefetch")], {}, "prefetch"),
            ("/page", [(b"x-pjax", b"1")], {}, "partial"),
            ("/page", BROWSER, {}, "anonymous"),
        ],
    )
    async def test_every_reason_is_seen_when_it_is_on_and_nothing_when_off(
        self, gateway: Make, path: str, headers: Any, others: dict[str, Any], reason: str
    ) -> None:
        rule = {**NAV, "paths": ["/page"]}
        on = await ask(gateway(PageApp(), rule, server_timing=True), path, *headers, **others)
        off = await ask(gateway(PageApp(), rule), path, *headers, **others)
        assert on.header("server-timing") == f'portal;desc="{reason}"'
        assert off.header("server-timing") is None
        assert on.body == off.body == PAGE


class TestIdentityHeaders:
    @pytest.mark.parametrize("name", SPELLINGS)
    @pytest.mark.parametrize("kind", ["http", "websocket"])
    @pytest.mark.parametrize("path", ["/page", "/other", "/api"])
    async def test_an_untrusted_peer_cannot_send_them(self, gateway: Make, name: bytes, kind: str, path: str) -> None:
        spy = Spy()
        app = gateway(spy, {**NAV, "paths": ["/page"]}, **TRUSTED)
        kept = (b"x-user-idea", b"1")
        await app({**http_scope(path, (name, b"jane"), kept), "type": kind}, receive, send)
        assert spy.headers == [(b"host", b"app.acme.com"), kept]

    @pytest.mark.parametrize("kind", ["http", "websocket"])
    async def test_a_trusted_proxy_can(self, gateway: Make, kind: str) -> None:
        spy = Spy()
        scope = {**http_scope("/api", (b"x-user-id", b"jane"), client=("10.1.2.3", 1)), "type": kind}
        await gateway(spy, **TRUSTED)(scope, receive, send)
        assert spy.scope is scope

    @pytest.mark.parametrize("client", [None, ("203.0.113.9", 1), ("", 0), ("testclient", 1)])
    async def test_a_peer_without_a_trusted_address_cannot(self, gateway: Make, client: Any) -> None:
        spy = Spy()
        await gateway(spy, **TRUSTED)(http_scope("/api", (b"x-user-id", b"jane"), client=client), receive, send)
        assert b"x-user-id" not in dict(spy.headers)

    async def test_not_even_in_a_subrequest_of_another_gateway(self, gateway: Make) -> None:
        spy = Spy()
        scope = http_scope("/api", (b"x-user-id", b"jane"), **{SUBREQUEST_KEY: True})
        await gateway(spy, **TRUSTED)(scope, receive, send)
        assert b"x-user-id" not in dict(spy.headers)

    async def test_without_a_headers_source_nothing_is_stripped(self, gateway: Make) -> None:
        spy = Spy()
        await gateway(spy)(http_scope("/api", (b"x-user-id", b"jane")), receive, send)
        assert dict(spy.headers)[b"x-user-id"] == b"jane"


class TestGatewayAroundGateway:
    async def test_the_outer_one_leaves_the_page_alone(self, gateway: Make) -> None:
        inner = gateway(PageApp(), NAV)
        outer = gateway(inner, NAV)
        response = await ask(outer, "/", user="jane")
        assert response.body.count(LINK) == 1
        assert outer.gateway.events.counts["not_injected", "", "already_injected"] == 1
        assert response.all("x-portal-gateway") == ["decided"]


def test_a_configuration_that_cannot_be_used_is_refused_at_once() -> None:
    with pytest.raises(SettingsError, match="portals"):
        PortalGatewayMiddleware(PageApp(), {"mount_path": "/portal"})


async def test_json_passes_byte_for_byte_although_a_rule_covers_its_path(gateway: Make) -> None:
    own = [JSON, (b"etag", b'"a"'), (b"content-length", b"2")]
    response = await ask(gateway(PageApp(b"{}", headers=own), NAV), "/api", user="jane")
    assert response.headers == own
    assert response.chunks == [b"{}"]
