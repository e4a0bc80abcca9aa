"""Generated requests and responses, straight and through the sidecar: equal but for what a proxy must change."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest
from proxy_harness import Client, Response, Upstream, client, proxied, upstream

pytestmark = pytest.mark.usefixtures("each_way")

SEEDS = range(20)
EXCHANGES = 100
# What may differ: these belong to one connection, or tell the app about the client.
OF_A_CONNECTION = (
    b"connection",
    b"keep-alive",
    b"te",
    b"upgrade",
    b"proxy-authorization",
    b"transfer-encoding",
    b"trailer",
)
CLAIMS = (b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-real-ip", b"forwarded")
METHODS = [b"GET"] * 6 + [b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"HEAD", b"PROPFIND", b"M-SEARCH", b"get"]
TARGET_BYTES = [bytes([code]) for code in range(0x21, 0x100) if code not in (0x23, 0x7F)]
VALUE_BYTES = [bytes([code]) for code in (*range(0x20, 0x7F), *range(0x80, 0x100), 0x09)]
NAMES = [b"Accept", b"Cookie", b"X-A", b"x-a", b"X_B", b"User-Agent", b"Range", b"If-None-Match", b"Cache-Control"]
ANSWERS = [b"Set-Cookie", b"set-cookie", b"ETag", b"Vary", b"X-A", b"Location", b"Date", b"Server", b"Content-Type"]
STATUSES = [200] * 8 + [201, 204, 206, 301, 304, 404, 418, 451, 500, 503, 599]

Headers = list[tuple[bytes, bytes]]


@dataclass
class Exchange:
    """A request as it is sent, and the response as the app sends it."""

    method: bytes
    request: bytes
    response: bytes


def generated(rng: random.Random) -> Exchange:
    method = rng.choice(METHODS)
    target = b"/" + b"".join(rng.choices(TARGET_BYTES, k=rng.randrange(30)))
    headers = [(name, value(rng)) for name in rng.choices(NAMES, k=rng.randrange(8))]
    headers += rng.choice([[], [], [(b"Connection", b"keep-alive, X-Gone"), (b"X-Gone", b"1")], [(b"TE", b"trailers")]])
    body = b"" if method in (b"GET", b"HEAD", b"get") else data(rng)
    framing, body = framed(rng, body) if body or rng.random() < 0.3 else ([], b"")
    rng.shuffle(headers)
    head = [b"%b %b HTTP/1.1" % (method, target), b"Host: app.acme.com", *lines(headers + framing), b"", b""]
    return Exchange(method, b"\r\n".join(head) + body, generated_response(rng, method))


def generated_response(rng: random.Random, method: bytes) -> bytes:
    status = rng.choice(STATUSES)
    headers = [(name, value(rng)) for name in rng.choices(ANSWERS, k=rng.randrange(8))]
    headers += rng.choice(
        [[], [], [(b"Connection", b"keep-alive, X-Gone"), (b"X-Gone", b"1")], [(b"Keep-Alive", b"timeout=9")]]
    )
    if status in (204, 304):
        framing, body = [], b""
    elif method == b"HEAD":
        framing, body = [(b"Content-Length", b"%d" % rng.randrange(9999))], b""
    else:
        framing, body = framed(rng, data(rng))
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" * rng.choice([0, 0, 0, 0, 1, 2])
    head = [
        b"HTTP/1.1 %d %b" % (status, rng.choice([b"OK", b"", b"No Such \xe4"])),
        *lines(headers + framing),
        b"",
        b"",
    ]
    return interim + b"\r\n".join(head) + body


def value(rng: random.Random) -> bytes:
    return b"".join(rng.choices(VALUE_BYTES, k=rng.randrange(20))).strip(b" \t")


def data(rng: random.Random) -> bytes:
    return rng.randbytes(rng.choice([0, 1, 10, 1000, 1000, 70_000, 300_000 if rng.random() < 0.1 else 10]))


def framed(rng: random.Random, body: bytes) -> tuple[Headers, bytes]:
    if rng.random() < 0.5:
        return [(b"Content-Length", b"%d" % len(body))], body
    return [(b"Transfer-Encoding", b"chunked")], b"".join(chunks(rng, body))


def chunks(rng: random.Random, body: bytes) -> Iterator[bytes]:
    while body:
        size = rng.choice([1, 5, 100, 20_000, len(body)])
        piece, body = body[:size], body[size:]
        yield b"%x%b\r\n%b\r\n" % (len(piece), rng.choice([b"", b"", b";a=b"]), piece)
    yield b"0\r\n\r\n"


def lines(headers: Headers) -> list[bytes]:
    return [b"%b:%b" % (name, b" " + value if value else b"") for name, value in headers]


def app_with(exchanges: dict[bytes, Exchange], seen: dict[bytes, list[object]]) -> object:
    """Takes down each request, named by its last header, and sends the response that belongs to it in odd pieces."""

    async def handler(state: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        rng = random.Random(state.accepted)
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            line, *rest = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
            headers = [
                (name.lower(), value.strip(b" \t")) for name, _, value in (line.partition(b":") for line in rest)
            ]
            fields = dict(headers)
            if b"transfer-encoding" in fields:
                body = b""
                while size := int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16):
                    body += (await reader.readexactly(size + 2))[:-2]
                await reader.readexactly(2)
            else:
                body = await reader.readexactly(int(fields.get(b"content-length", b"0")))
            number = fields[b"x-number"]
            kept = [pair for pair in headers if pair[0] not in (*OF_A_CONNECTION, *CLAIMS, b"x-gone")]
            is_chunked = b"transfer-encoding" in fields
            seen.setdefault(number, []).append((line, sorted(kept), _cookies(kept), is_chunked, body))
            response = exchanges[number].response
            while response:
                size = rng.choice([1, 50, 5000, len(response)])
                writer.write(response[:size])
                await writer.drain()
                response = response[size:]

    return handler


def _cookies(headers: Headers) -> list[bytes]:
    """Repeated fields keep their order."""
    return [value for name, value in headers if name in (b"cookie", b"x-a")]


def comparable(response: Response) -> object:
    kept = [(name, value) for name, value in response.headers if name.lower() not in (*OF_A_CONNECTION, b"x-gone")]
    if response.status == 304:
        kept = [pair for pair in kept if pair[0].lower() != b"content-length"]
    return response.status, [(name.lower(), value) for name, value in kept], response.body, response.broken


@pytest.mark.parametrize("seed", SEEDS)
async def test_straight_and_through_are_the_same(seed: int) -> None:
    rng = random.Random(seed)
    exchanges = {b"%d" % number: generated(rng) for number in range(EXCHANGES)}
    seen: dict[bytes, list[object]] = {}
    async with AsyncExitStack() as stack:
        app = await stack.enter_async_context(upstream(app_with(exchanges, seen)))  # type: ignore[arg-type]
        sidecar = await stack.enter_async_context(proxied(app.port))
        straight, through = [await stack.enter_async_context(client(port)) for port in (app.port, sidecar.port)]
        for number, exchange in exchanges.items():
            request = exchange.request.replace(b"\r\n\r\n", b"\r\nX-Number: " + number + b"\r\n\r\n", 1)
            answers = [comparable(await in_pieces(to, request, rng)) for to in (straight, through)]
            assert answers[0] == answers[1], (number, exchange)
            assert seen[number][0] == seen[number][1], (number, exchange)
        assert sidecar.errors == []


async def in_pieces(to: Client, request: bytes, rng: random.Random) -> Response:
    step = rng.choice([1000, 50_000, len(request)])
    for at in range(0, len(request), step):
        to.write(request[at : at + step])
        await to.writer.drain()
    return await to.response()
