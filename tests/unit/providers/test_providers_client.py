from __future__ import annotations

import asyncio
import gzip
import logging
import ssl
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from portal_gateway.errors import VendorBusy, VendorError, VendorRefusedUs, VendorUnavailable
from portal_gateway.observe.events import Events
from portal_gateway.providers.alerts import Alerts
from portal_gateway.providers.client import MAX_CONNECTIONS, VendorClient

SECRET = "token-7f3a"
CREDENTIALS = {"Authorization": f"Bearer {SECRET}"}


@pytest.fixture
def client(vendor: Any, closing: Callable[[Any], Any]) -> Callable[..., VendorClient]:
    def make(
        base_url: str = "",
        credentials: Mapping[str, str] = CREDENTIALS,
        timeout_s: float = 5.0,
        max_bytes: int = 1000,
    ) -> VendorClient:
        client = VendorClient(
            base_url or vendor.url,
            credentials,
            Alerts("success", Events()),
            timeout_s=timeout_s,
            max_bytes=max_bytes,
            clock=lambda: 1_700_000_000.0,
        )
        return closing(client)

    return make


async def test_an_answer(vendor: Any, client: Callable[..., VendorClient]) -> None:
    vendor.answer("/a", b"true", content_type="Application/JSON; charset=utf-8", headers={"X-Request-Id": "1"})
    answer = await client().request("GET", "/a")
    assert (answer.status, answer.content_type, answer.body) == (200, "application/json", b"true")
    assert answer.headers["x-request-id"] == "1"


async def test_what_is_sent(vendor: Any, client: Callable[..., VendorClient]) -> None:
    vendor.answer("/a")
    await client().request("GET", "/a", headers={"X-More": "1"})
    [call] = vendor.calls
    assert call.headers["authorization"] == f"Bearer {SECRET}"
    assert call.headers["accept-encoding"] == "identity"
    assert call.headers["x-more"] == "1"
    assert call.headers["user-agent"].startswith("portal-gateway/")
    assert "cookie" not in call.headers


async def test_path_and_query_arrive_as_they_were_encoded(vendor: Any, client: Callable[..., VendorClient]) -> None:
    params = {"email": "a+b&c=d@v.com", "companyId.eq": "1"}
    with pytest.raises(VendorUnavailable):
        await client().request("GET", "/x/a%2Fb%3F%25%2E%2E%20%C3%A9", params=params)
    assert vendor.targets == ["/x/a%2Fb%3F%25%2E%2E%20%C3%A9?email=a%2Bb%26c%3Dd%40v.com&companyId.eq=1"]


async def test_a_json_body_is_sent(vendor: Any, client: Callable[..., VendorClient]) -> None:
    vendor.answer("/a")
    await client().request("POST", "/a", json={"email": "jürgen@v.com"})
    [call] = vendor.calls
    assert (call.method, call.headers["content-type"]) == ("POST", "application/json")
    assert call.body == b'{"email": "j\\u00fcrgen@v.com"}'


@pytest.mark.parametrize("status", [200, 204, 206, 400, 403, 404, 409])
async def test_statuses_that_are_answers(status: int, vendor: Any, client: Callable[..., VendorClient]) -> None:
    vendor.answer("/a", status=status)
    assert (await client().request("GET", "/a")).status == status


async def test_redirects_are_not_followed(vendor: Any, client: Callable[..., VendorClient]) -> None:
    vendor.answer("/a", status=302, headers={"Location": f"{vendor.url}/b"})
    vendor.answer("/b", b"true")
    assert (await client().request("GET", "/a")).status == 302
    assert vendor.targets == ["/a"]


async def test_cookies_are_not_kept_between_calls(vendor: Any, client: Callable[..., VendorClient]) -> None:
    vendor.answer("/a", headers={"Set-Cookie": "sid=1; Path=/"})
    caller = client()
    await caller.request("GET", "/a")
    await caller.request("GET", "/a")
    assert "cookie" not in vendor.calls[1].headers


async def test_proxy_variables_are_ignored(
    vendor: Any, client: Callable[..., VendorClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    vendor.answer("/a")
    assert (await client().request("GET", "/a")).status == 200


async def test_a_401_is_about_us_and_logged_once(
    vendor: Any, client: Callable[..., VendorClient], caplog: pytest.LogCaptureFixture
) -> None:
    vendor.answer("/a", {"message": "secret body"}, status=401)
    caller = client()
    for _ in range(3):
        with pytest.raises(VendorRefusedUs, match="wrong token, key or cluster"):
            await caller.request("GET", "/a")
    [record] = [r for r in caplog.records if r.name == "portal_gateway.vendor"]
    assert record.levelno == logging.ERROR
    assert "wrong token, key or cluster" in record.getMessage()


async def test_a_401_is_logged_again_after_things_had_worked(
    vendor: Any, client: Callable[..., VendorClient], caplog: pytest.LogCaptureFixture
) -> None:
    for status in (401, 200, 503, 401):
        vendor.answer("/a", status=status)
    caller = client()
    for expected in (VendorRefusedUs, None, VendorUnavailable, VendorRefusedUs):
        if expected is None:
            await caller.request("GET", "/a")
        else:
            with pytest.raises(expected):
                await caller.request("GET", "/a")
    assert len([r for r in caplog.records if r.name == "portal_gateway.vendor"]) == 2


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        pytest.param({}, None, id="not told"),
        pytest.param({"Retry-After": "7"}, 7.0, id="seconds"),
        pytest.param({"X-Retry-After": "1700000042000"}, 42.0, id="epoch milliseconds"),
    ],
)
async def test_a_429_says_when_to_come_back(
    headers: dict[str, str], seconds: float | None, vendor: Any, client: Callable[..., VendorClient]
) -> None:
    vendor.answer("/a", {"errors": [{"errorCode": "TOO_MANY_REQUEST"}]}, status=429, headers=headers)
    with pytest.raises(VendorBusy) as caught:
        await client().request("GET", "/a")
    assert caught.value.retry_after_s == seconds


@pytest.mark.parametrize("status", [500, 502, 503, 504, 599])
async def test_a_5xx_is_no_answer_and_not_tried_again(
    status: int, vendor: Any, client: Callable[..., VendorClient]
) -> None:
    vendor.answer("/a", b"x" * 5000, status=status, content_type="text/html")
    with pytest.raises(VendorUnavailable):
        await client().request("GET", "/a")
    assert len(vendor.calls) == 1


async def _hang(writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def _trickle(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("script", [_hang, _trickle])
async def test_a_call_ends_in_time_whatever_the_vendor_does(
    script: Any, vendor: Any, client: Callable[..., VendorClient]
) -> None:
    vendor.script("/a", script)
    started = time.monotonic()
    with pytest.raises(VendorUnavailable, match=r"within 0\.2 s"):
        await client(timeout_s=0.2).request("GET", "/a")
    assert time.monotonic() - started < 3


async def test_after_a_time_out_the_client_still_works(vendor: Any, client: Callable[..., VendorClient]) -> None:
    vendor.script("/a", _hang)
    vendor.answer("/b", b"1")
    caller = client(timeout_s=0.2)
    calls = [caller.request("GET", "/a") for _ in range(MAX_CONNECTIONS)]
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(result) for result in results} == {VendorUnavailable}
    assert (await caller.request("GET", "/b")).body == b"1"


async def test_a_40_mb_answer_is_not_read(vendor: Any, client: Callable[..., VendorClient]) -> None:
    sent = 0

    async def huge(writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 40000000\r\n\r\n")
        while sent < 40_000_000:
            writer.write(b" " * 65536)
            sent += 65536
            await writer.drain()

    vendor.script("/a", huge)
    with pytest.raises(VendorError, match="larger than 1000 bytes"):
        await client().request("GET", "/a")
    assert sent < 30_000_000


@pytest.mark.parametrize(("size", "fits"), [(1000, True), (1001, False)])
async def test_the_limit_is_exact_also_without_a_length(
    size: int, fits: bool, vendor: Any, client: Callable[..., VendorClient]
) -> None:
    async def until_close(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * size)
        await writer.drain()

    vendor.script("/a", until_close)
    call = client().request("GET", "/a")
    if fits:
        assert len((await call).body) == 1000
    else:
        with pytest.raises(VendorError):
            await call


@pytest.mark.parametrize("coding", ["gzip", "br", "GZIP", "deflate, gzip"])
async def test_a_decompression_bomb_is_not_unpacked(
    coding: str, vendor: Any, client: Callable[..., VendorClient]
) -> None:
    bomb = gzip.compress(b"\0" * 900_000)
    assert len(bomb) < 1000
    vendor.answer("/a", bomb, headers={"Content-Encoding": coding})
    with pytest.raises(VendorError, match="content coding"):
        await client().request("GET", "/a")


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"", id="closed before the head"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", id="closed within the body"),
        pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n", id="not HTTP"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", id="bad chunk"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 300_000, id="endless head"),
    ],
)
async def test_broken_answers(raw: bytes, vendor: Any, client: Callable[..., VendorClient]) -> None:
    async def script(writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        await writer.drain()

    vendor.script("/a", script)
    with pytest.raises(VendorUnavailable):
        await client().request("GET", "/a")


async def test_nobody_listens(client: Callable[..., VendorClient], unused_url: str) -> None:
    with pytest.raises(VendorUnavailable, match="cannot be reached") as caught:
        await client(unused_url).request("GET", "/a")
    assert not caught.value.sent


async def test_a_kept_connection_that_breaks_may_have_carried_the_call(
    vendor: Any, client: Callable[..., VendorClient]
) -> None:
    async def close(writer: asyncio.StreamWriter) -> None:
        return

    vendor.answer("/a")
    vendor.script("/b", close)
    caller = client()
    await caller.request("GET", "/a")
    with pytest.raises(VendorUnavailable, match="cannot be reached") as caught:
        await caller.request("GET", "/b")
    assert caught.value.sent


@pytest.fixture
async def unused_url() -> str:
    server = await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return f"http://127.0.0.1:{port}"


async def test_a_certificate_nobody_vouches_for(client: Callable[..., VendorClient], tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_self_signed(tmp_path))
    server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    try:
        with pytest.raises(VendorUnavailable, match="ConnectError") as caught:
            await client(f"https://127.0.0.1:{port}").request("GET", "/a")
        assert not caught.value.sent
    finally:
        server.close()


def _self_signed(folder: Path) -> Path:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(hours=1))
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    file = folder / "self-signed.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + certificate)
    return file


async def test_connections_are_kept_and_bounded(vendor: Any, client: Callable[..., VendorClient]) -> None:
    most = 0
    gate = asyncio.Event()

    async def slow(writer: asyncio.StreamWriter) -> None:
        nonlocal most
        most = max(most, vendor.connections)
        if vendor.connections == MAX_CONNECTIONS:
            gate.set()
        await gate.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()

    vendor.script("/a", slow)
    caller = client()
    answers = await asyncio.gather(*(caller.request("GET", "/a") for _ in range(MAX_CONNECTIONS * 2)))
    assert {answer.status for answer in answers} == {200}
    assert most == MAX_CONNECTIONS

    vendor.answer("/b")
    await caller.request("GET", "/b")
    open_connections = vendor.connections
    await caller.request("GET", "/b")
    assert vendor.connections == open_connections


async def test_a_caller_who_leaves_frees_the_connection(vendor: Any, client: Callable[..., VendorClient]) -> None:
    vendor.script("/a", _hang)
    vendor.answer("/b", b"1")
    caller = client()
    calls = [asyncio.create_task(caller.request("GET", "/a")) for _ in range(MAX_CONNECTIONS)]
    while len(vendor.calls) < MAX_CONNECTIONS:
        await asyncio.sleep(0)
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    assert (await caller.request("GET", "/b")).body == b"1"


async def test_closing_twice_and_before_the_first_call(vendor: Any, client: Callable[..., VendorClient]) -> None:
    caller = client()
    await caller.aclose()
    vendor.answer("/a")
    await caller.request("GET", "/a")
    await caller.aclose()
    await caller.aclose()


@pytest.mark.parametrize("token", ["token-7f3a\nX-Evil: 1", "token-7f3a\x00", "tökén-7f3a\ud800"])
async def test_a_token_that_http_cannot_carry_is_named_not_shown(
    token: str, vendor: Any, client: Callable[..., VendorClient]
) -> None:
    with pytest.raises(VendorError, match="characters that HTTP does not allow") as caught:
        await client(credentials={"api-key": token}).request("GET", "/a")
    assert "7f3a" not in str(caught.value)
    assert vendor.calls == []


async def test_an_id_of_a_megabyte_is_refused(vendor: Any, client: Callable[..., VendorClient]) -> None:
    with pytest.raises(VendorError):
        await client().request("GET", "/" + "a" * 1_000_000)


async def test_logs_at_debug_level_hold_neither_urls_nor_tokens(
    vendor: Any, client: Callable[..., VendorClient], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    vendor.answer("/endusers", b"secret-body")
    vendor.answer("/broken", status=500)
    await client().request("GET", "/endusers", params={"email": "jane@vance.com"})
    with pytest.raises(VendorUnavailable):
        await client().request("GET", "/broken")
    for word in (SECRET, "endusers", "jane", "secret-body"):
        assert word not in caplog.text
