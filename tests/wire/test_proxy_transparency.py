from __future__ import annotations

import asyncio

import pytest
from proxy_harness import LOOPBACK, Upstream, answering, ask, client, get, ok, once, proxied, upstream

pytestmark = pytest.mark.usefixtures("both_ways")


async def echo_body(state: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers with the raw body of the request as it stands on the wire, chunk framing included."""
    while True:
        head = await state.read_head(reader)
        if b"transfer-encoding: chunked" in head:
            body = await reader.readuntil(b"0\r\n\r\n")
        else:
            _, _, rest = head.partition(b"content-length: ")
            body = await reader.readexactly(int(rest.split(b"\r\n")[0] or 0))
        writer.write(ok(body))


@pytest.mark.parametrize(
    "target",
    [
        b"/",
        b"//a//b",
        b"/a%2Fb",
        b"/a;v=1/b;w",
        b"/./a/../b/.",
        b"/%2e%2e/%00",
        b"/a?b=c&d=%20%2B+",
        b"/a?b=/c?d",
        b"/a?=&&",
        b"/%E2%82%AC?%ff",
        b"/~!$&'()*+,=:@-._",
    ],
)
async def test_targets_arrive_byte_for_byte(target: bytes) -> None:
    async with upstream(answering(ok())) as app, proxied(app.port) as sidecar:
        assert (await ask(sidecar.port, get(target))).status == 200
        assert app.heads[0].split(b"\r\n")[0] == b"GET " + target + b" HTTP/1.1"


async def test_request_headers_arrive_in_order_without_hop_by_hop() -> None:
    async with upstream(answering(ok())) as app, proxied(app.port) as sidecar:
        lines = [
            b"Cookie: a=1",
            b"Connection: keep-alive, X-Private",
            b"X-Private: 1",
            b"TE: trailers",
            b"Keep-Alive: timeout=5",
            b"Upgrade: h2c",
            b"Proxy-Authorization: Basic x",
            b"cookie: b=2",
            b"X-Forwarded-For: 6.6.6.6",
            b"Forwarded: for=6.6.6.6",
            b"Accept: \xe2\x82\xac",
        ]
        assert (await ask(sidecar.port, get(b"/", *lines))).status == 200
        assert app.heads == [
            b"GET / HTTP/1.1\r\nhost: app.acme.com\r\ncookie: a=1\r\ncookie: b=2\r\naccept: \xe2\x82\xac\r\n"
            b"x-forwarded-for: 127.0.0.1\r\nx-forwarded-proto: http\r\nx-forwarded-host: app.acme.com\r\n\r\n"
        ]


async def test_a_trusted_peer_in_front_is_believed() -> None:
    async with upstream(answering(ok())) as app, proxied(app.port, LOOPBACK) as sidecar:
        lines = [b"x-forwarded-for: 6.6.6.6", b"x-forwarded-proto: https", b"forwarded: for=6.6.6.6"]
        await ask(sidecar.port, get(b"/", *lines))
        assert b"\r\nx-forwarded-for: 6.6.6.6, 127.0.0.1\r\n" in app.heads[0]
        assert b"\r\nx-forwarded-proto: https\r\n" in app.heads[0]
        assert b"\r\nforwarded: for=6.6.6.6\r\n" in app.heads[0]


async def test_response_headers_arrive_in_order_without_hop_by_hop() -> None:
    answer = ok(
        b"x",
        b"Date: Mon, 01 Jan 2024 00:00:00 GMT",
        b"Server: app/1",
        b"Set-Cookie: a=1",
        b"Keep-Alive: timeout=5",
        b"Connection: keep-alive, X-Private",
        b"X-Private: 1",
        b"set-cookie: b=2",
        b"Location: http://127.0.0.1/elsewhere",
        status=b"302 Found",
    )
    async with upstream(answering(answer)) as app, proxied(app.port) as sidecar:
        response = await ask(sidecar.port, get())
        assert response.status == 302
        assert [(name.lower(), value) for name, value in response.headers] == [
            (b"date", b"Mon, 01 Jan 2024 00:00:00 GMT"),
            (b"server", b"app/1"),
            (b"set-cookie", b"a=1"),
            (b"set-cookie", b"b=2"),
            (b"location", b"http://127.0.0.1/elsewhere"),
            (b"content-length", b"1"),
        ]


CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        pytest.param(ok(b"abc"), b"abc", id="length"),
        pytest.param(ok(b""), b"", id="empty"),
        pytest.param(CHUNKED + b"3\r\nabc\r\n1;ext\r\nd\r\n0\r\nX-Trailer: 1\r\n\r\n", b"abcd", id="chunked"),
        pytest.param(CHUNKED + b"0\r\n\r\n", b"", id="chunked-empty"),
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\nuntil close", b"until close", id="close"),
        pytest.param(b"HTTP/1.0 200 OK\r\n\r\n1.0", b"1.0", id="http-1.0"),
        pytest.param(b"HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n" + ok(b"late"), b"late", id="interim"),
    ],
)
async def test_bodies_arrive_whatever_delimits_them(answer: bytes, body: bytes) -> None:
    async with upstream(once(answer)) as app, proxied(app.port) as sidecar:
        response = await ask(sidecar.port, get())
        assert (response.status, response.body, response.broken) == (200, body, False)


@pytest.mark.parametrize(
    ("request_", "answer", "status", "lengths"),
    [
        pytest.param(
            get(method=b"HEAD"),
            b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n",
            200,
            [b"9"],
            id="head",
        ),
        pytest.param(get(method=b"HEAD"), CHUNKED, 200, [], id="head-chunked"),
        pytest.param(get(), b"HTTP/1.1 204 No Content\r\n\r\n", 204, [], id="204"),
        pytest.param(get(), b"HTTP/1.1 304 X\r\ncontent-length: 9\r\netag: x\r\n\r\n", 304, [], id="304"),
    ],
)
async def test_responses_without_a_body_keep_both_connections(
    request_: bytes, answer: bytes, status: int, lengths: list[bytes]
) -> None:
    async with upstream(answering(answer)) as app, proxied(app.port) as sidecar, client(sidecar.port) as browser:
        for _ in range(3):
            response = await browser.request(request_)
            assert (response.status, response.body, response.broken) == (status, b"", False)
            assert response.values(b"content-length") == lengths
        assert app.accepted == 1
        assert sidecar.errors == []


@pytest.mark.parametrize("method", [b"POST", b"PUT", b"PATCH", b"DELETE", b"GET", b"PROPFIND"])
async def test_a_body_with_a_length_arrives_with_that_length(method: bytes) -> None:
    async with upstream(echo_body) as app, proxied(app.port) as sidecar:
        response = await ask(sidecar.port, get(b"/", b"content-length: 5", method=method) + b"hello")
        assert response.body == b"hello"
        assert app.heads[0].startswith(method + b" / ")
        assert b"transfer-encoding" not in app.heads[0]


async def test_a_chunked_body_arrives_chunked() -> None:
    async with upstream(echo_body) as app, proxied(app.port) as sidecar:
        body = b"5;ext=1\r\nhello\r\n0\r\nx-trailer: 1\r\n\r\n"
        response = await ask(sidecar.port, get(b"/", b"transfer-encoding: chunked", method=b"POST") + body)
        assert response.body == b"5\r\nhello\r\n0\r\n\r\n"
        assert b"content-length" not in app.heads[0]


async def test_an_empty_body_is_announced_as_such() -> None:
    async with upstream(answering(ok())) as app, proxied(app.port) as sidecar:
        assert (await ask(sidecar.port, get(b"/", b"content-length: 0", method=b"POST"))).status == 200
        assert b"\r\ncontent-length: 0\r\n" in app.heads[0]


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", id="two-hosts"),
        pytest.param(get(b"/", b"content-length: 3", b"transfer-encoding: chunked"), id="cl-te"),
        pytest.param(get(b"/", b"content-length: 3", b"content-length: 3") + b"abc", id="cl-cl"),
        pytest.param(get(b"/", b"x: a\0b"), id="nul"),
        pytest.param(get(b"/", b"x: a\rb"), id="cr"),
    ],
)
async def test_malformed_requests_get_400_and_go_nowhere(request_: bytes) -> None:
    async with upstream(answering(ok())) as app, proxied(app.port) as sidecar:
        assert (await ask(sidecar.port, request_)).status == 400
        assert app.accepted == 0


async def test_a_redirect_is_the_clients_to_follow() -> None:
    answer = ok(b"", b"location: /next", status=b"307 Temporary Redirect")
    async with upstream(answering(answer)) as app, proxied(app.port) as sidecar:
        response = await ask(sidecar.port, get())
        assert (response.status, response.values(b"location")) == (307, [b"/next"])
        assert len(app.heads) == 1
