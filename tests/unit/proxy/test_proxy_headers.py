from __future__ import annotations

import ipaddress
from typing import Any

import pytest

from portal_gateway.errors import MalformedRequest
from portal_gateway.http11.framing import Framing
from portal_gateway.proxy.headers import (
    HOP_BY_HOP,
    UpstreamRequest,
    end_to_end,
    request_headers,
    request_target,
    response_headers,
    serialize,
    upstream_request,
)
from portal_gateway.wire.trust import TrustedPeers

PROXY, STRANGER = "10.0.0.1", "203.0.113.9"
TRUSTED = TrustedPeers([ipaddress.ip_network("10.0.0.0/8")])


def scope_of(headers: list[tuple[bytes, bytes]] | None = None, **more: Any) -> dict[str, Any]:
    return {
        "type": "http",
        "method": "GET",
        "scheme": "http",
        "raw_path": b"/",
        "query_string": b"",
        "root_path": "",
        "client": (STRANGER, 4711),
        "headers": [(b"host", b"app.acme.com")] if headers is None else headers,
        **more,
    }


def request_of(headers: list[tuple[bytes, bytes]] | None = None, **more: Any) -> UpstreamRequest:
    return upstream_request(scope_of(headers, **more), TRUSTED, b"upstream:80")


def forwarded_of(headers: list[tuple[bytes, bytes]], **more: Any) -> dict[bytes, list[bytes]]:
    scope = scope_of([(b"host", b"app.acme.com"), *headers], **more)
    result: dict[bytes, list[bytes]] = {}
    for name, value in request_headers(scope, TRUSTED, b"upstream"):
        if name != b"host":
            result.setdefault(name, []).append(value)
    return result


def test_a_plain_request_byte_for_byte() -> None:
    request = request_of(
        [(b"host", b"app.acme.com"), (b"cookie", b"a=1"), (b"accept", b"*/*"), (b"cookie", b"b=2")],
        raw_path=b"/a%2Fb",
        query_string=b"x=1",
    )
    assert request.head == (
        b"GET /a%2Fb?x=1 HTTP/1.1\r\n"
        b"host: app.acme.com\r\ncookie: a=1\r\naccept: */*\r\ncookie: b=2\r\n"
        b"x-forwarded-for: 203.0.113.9\r\nx-forwarded-proto: http\r\nx-forwarded-host: app.acme.com\r\n\r\n"
    )
    assert not request.has_body


@pytest.mark.parametrize("name", sorted(HOP_BY_HOP))
def test_hop_by_hop_headers_never_pass(name: bytes) -> None:
    assert end_to_end([(name, b"x"), (name.title(), b"y"), (b"kept", b"z")]) == [(b"kept", b"z")]


def test_headers_nominated_by_connection_never_pass() -> None:
    headers = [
        (b"Connection", b"close, X-Private"),
        (b"x-private", b"1"),
        (b"connection", b"x-other"),
        (b"X-Other", b"2"),
        (b"x-kept", b"3"),
    ]
    assert end_to_end(headers) == [(b"x-kept", b"3")]


def test_nominating_what_we_set_does_not_remove_it() -> None:
    request = request_of(
        [
            (b"host", b"h"),
            (b"connection", b"host, x-forwarded-for, content-length"),
            (b"content-length", b"3"),
        ]
    )
    assert b"\r\nhost: h\r\n" in request.head
    assert b"x-forwarded-for: 203.0.113.9\r\n" in request.head
    assert b"content-length: 3\r\n" in request.head


SPOOFED = [
    (b"x-forwarded-for", b"1.2.3.4"),
    (b"x-forwarded-proto", b"https"),
    (b"x-forwarded-host", b"evil.example"),
    (b"x-forwarded-port", b"1"),
    (b"x-forwarded-prefix", b"/admin"),
    (b"x-forwarded-user", b"root"),
    (b"forwarded", b"for=1.2.3.4"),
    (b"x-real-ip", b"1.2.3.4"),
    (b"x_forwarded_for", b"1.2.3.4"),
    (b"x_forwarded-proto", b"https"),
    (b"x_real_ip", b"1.2.3.4"),
]


@pytest.mark.parametrize("client", [(STRANGER, 1), None], ids=["stranger", "no-address"])
def test_a_stranger_says_nothing_about_the_client(client: tuple[str, int] | None) -> None:
    expected = {b"x-forwarded-proto": [b"http"], b"x-forwarded-host": [b"app.acme.com"]}
    if client is not None:
        expected[b"x-forwarded-for"] = [STRANGER.encode()]
    assert forwarded_of(SPOOFED, client=client) == expected


def test_a_trusted_peer_is_believed_and_appended() -> None:
    assert forwarded_of(SPOOFED, client=(PROXY, 1)) == {
        b"x-forwarded-for": [b"1.2.3.4, 10.0.0.1"],
        b"x-forwarded-proto": [b"https"],
        b"x-forwarded-host": [b"evil.example"],
        b"x-forwarded-port": [b"1"],
        b"x-forwarded-prefix": [b"/admin"],
        b"x-forwarded-user": [b"root"],
        b"forwarded": [b"for=1.2.3.4"],
        b"x-real-ip": [b"1.2.3.4"],
    }


def test_a_trusted_peer_that_says_nothing_gets_our_own_view() -> None:
    assert forwarded_of([], client=(PROXY, 1), scheme="https") == {
        b"x-forwarded-for": [b"10.0.0.1"],
        b"x-forwarded-proto": [b"https"],
        b"x-forwarded-host": [b"app.acme.com"],
    }


def test_repeated_forwarded_for_lines_become_one_in_order() -> None:
    headers = [(b"x-forwarded-for", b"1.1.1.1, 2.2.2.2"), (b"x-forwarded-for", b"3.3.3.3")]
    assert forwarded_of(headers, client=(PROXY, 1))[b"x-forwarded-for"] == [b"1.1.1.1, 2.2.2.2, 3.3.3.3, 10.0.0.1"]


@pytest.mark.parametrize(
    ("scheme", "expected"), [("http", b"http"), ("ws", b"http"), ("https", b"https"), ("wss", b"https")]
)
def test_forwarded_proto(scheme: str, expected: bytes) -> None:
    assert forwarded_of([], scheme=scheme)[b"x-forwarded-proto"] == [expected]


def test_the_zone_of_an_address_stays_at_home() -> None:
    assert forwarded_of([], client=("fe80::1%eth0", 1))[b"x-forwarded-for"] == [b"fe80::1"]


def test_a_request_without_host_gets_the_upstreams() -> None:
    assert request_of([]).head.startswith(b"GET / HTTP/1.1\r\nhost: upstream:80\r\n")


@pytest.mark.parametrize(
    ("headers", "framing", "line"),
    [
        ([(b"content-length", b"05")], Framing.LENGTH, b"content-length: 5\r\n"),
        ([(b"transfer-encoding", b"Chunked")], Framing.CHUNKED, b"transfer-encoding: chunked\r\n"),
    ],
)
def test_the_body_is_framed_anew(headers: list[tuple[bytes, bytes]], framing: Framing, line: bytes) -> None:
    request = request_of([(b"host", b"h"), *headers], method="POST")
    assert (request.framing, request.has_body) == (framing, True)
    assert request.head.endswith(line + b"\r\n")
    assert request.head.count(b"content-length") + request.head.count(b"transfer-encoding") == 1


@pytest.mark.parametrize(
    ("method", "headers", "expected"),
    [
        ("GET", [], True),
        ("DELETE", [(b"content-length", b"0")], True),
        ("PUT", [(b"content-length", b"1")], False),
        ("GET", [(b"transfer-encoding", b"chunked")], False),
        ("POST", [], False),
        ("PATCH", [], False),
        ("get", [], False),
    ],
)
def test_repeatable(method: str, headers: list[tuple[bytes, bytes]], expected: bool) -> None:
    assert request_of([(b"host", b"h"), *headers], method=method).is_repeatable is expected


@pytest.mark.parametrize(("value", "expected"), [(b"100-continue", True), (b"100-Continue", True), (b"x", False)])
def test_expect(value: bytes, expected: bool) -> None:
    request = request_of([(b"host", b"h"), (b"expect", value), (b"content-length", b"1")])
    assert request.expects_continue is expected
    assert b"expect: " + value in request.head


@pytest.mark.parametrize(
    ("raw_path", "query", "root_path", "expected"),
    [
        (b"/", b"", "", b"/"),
        (b"//a//b/", b"", "", b"//a//b/"),
        (b"/a%2Fb%2e%2E;v=1/../.", b"", "", b"/a%2Fb%2e%2E;v=1/../."),
        (b"/a", b"b=%20&&=?/", "", b"/a?b=%20&&=?/"),
        (b"/%zz%", b"", "", b"/%zz%"),
        (b"/\xc3\xa9", b"\xff", "", b"/\xc3\xa9?\xff"),
        (b"*", b"", "", b"*"),
        (b"/app/x", b"", "/app", b"/x"),
        (b"/app", b"q", "/app", b"/?q"),
        (b"/other", b"", "/app", b"/other"),
    ],
)
def test_targets(raw_path: bytes, query: bytes, root_path: str, expected: bytes) -> None:
    scope = scope_of(raw_path=raw_path, query_string=query, root_path=root_path)
    assert request_target(scope) == expected


@pytest.mark.parametrize(
    "target", [b"/ HTTP/1.1", b"/\r\nx: y", b"/\n", b"/\0", b"/\t", b"/\x7f", b"app:443", b"http://x/", b""]
)
def test_targets_that_are_refused(target: bytes) -> None:
    with pytest.raises(MalformedRequest) as caught:
        request_target(scope_of(raw_path=target))
    assert caught.value.status == 400
    if target.startswith(b"/"):
        with pytest.raises(MalformedRequest):
            request_target(scope_of(raw_path=b"/", query_string=target[1:]))


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([(b"host", b"a"), (b"host", b"a")], id="two-hosts"),
        pytest.param([(b"a", b"b\r\nc: d")], id="crlf-value"),
        pytest.param([(b"a", b"b\nc: d")], id="lf-value"),
        pytest.param([(b"a", b"b\rc")], id="cr-value"),
        pytest.param([(b"a", b"b\0c")], id="nul-value"),
        pytest.param([(b"a\r\nb", b"c")], id="crlf-name"),
        pytest.param([(b"a\0", b"c")], id="nul-name"),
        pytest.param([(b"a b", b"c")], id="space-name"),
        pytest.param([(b"a:", b"c")], id="colon-name"),
        pytest.param([(b"\xe9", b"c")], id="non-ascii-name"),
        pytest.param([(b"", b"c")], id="empty-name"),
        pytest.param([(b"host", b"a\r\nb: c")], id="crlf-host"),
        pytest.param([(b"content-length", b"1"), (b"transfer-encoding", b"chunked")], id="cl-te"),
        pytest.param([(b"content-length", b"1"), (b"content-length", b"1")], id="cl-cl"),
        pytest.param([(b"transfer-encoding", b"gzip, chunked")], id="gzip-chunked"),
    ],
)
def test_requests_that_are_refused(headers: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(MalformedRequest) as caught:
        request_of(headers)
    assert (caught.value.status, caught.value.code) == (400, "malformed_request")


def test_a_trusted_peer_cannot_smuggle_a_line_either() -> None:
    with pytest.raises(MalformedRequest):
        request_of([(b"x-forwarded-for", b"1\r\nx: y")], client=(PROXY, 1))


@pytest.mark.parametrize("method", ["GET /", "GE\rT", "G\0T", "G:T", "", "GÉT", "\u2028"])
def test_methods_that_are_refused(method: str) -> None:
    with pytest.raises(MalformedRequest):
        serialize(method, b"/", [])


def test_odd_but_lawful_bytes_pass() -> None:
    head = serialize("M-SEARCH", b"/", [(b"x!#$%&'*+-.^_`|~9", b"\t\xff:;")])
    assert head == b"M-SEARCH / HTTP/1.1\r\nx!#$%&'*+-.^_`|~9: \t\xff:;\r\n\r\n"


def test_response_headers_survive_in_order_and_number() -> None:
    headers = [
        (b"date", b"Mon, 01 Jan 2024 00:00:00 GMT"),
        (b"server", b"app"),
        (b"set-cookie", b"a=1"),
        (b"transfer-encoding", b"chunked"),
        (b"set-cookie", b"b=2"),
        (b"location", b"http://upstream/x"),
        (b"keep-alive", b"timeout=5"),
    ]
    assert response_headers(headers, 200) == [
        (b"date", b"Mon, 01 Jan 2024 00:00:00 GMT"),
        (b"server", b"app"),
        (b"set-cookie", b"a=1"),
        (b"set-cookie", b"b=2"),
        (b"location", b"http://upstream/x"),
    ]


@pytest.mark.parametrize(("status", "kept"), [(200, True), (206, True), (204, False), (304, False)])
def test_content_length_of_a_response(status: int, kept: bool) -> None:
    assert (response_headers([(b"content-length", b"3")], status) != []) is kept
