from __future__ import annotations

import pytest

from portal_gateway.http11.framing import Framing
from portal_gateway.http11.limits import ClientLimits
from portal_gateway.http11.request_head import BadRequest, check_unfinished, parse_request_head

LIMITS = ClientLimits(target_bytes=100, head_bytes=400, fields=5)


def head(*lines: bytes, line: bytes = b"GET / HTTP/1.1", host: bytes | None = b"Host: app.acme.com") -> bytes:
    return b"\r\n".join([line, *([] if host is None else [host]), *lines])


def test_a_request_as_browsers_send_it() -> None:
    request = parse_request_head(head(b"Cookie: a=1", b"ACCEPT:*/*", b"cookie:\t b=2 \t", b"X-Empty:"), LIMITS)
    assert (request.method, request.target, request.version) == ("GET", b"/", "1.1")
    assert request.headers == [
        (b"host", b"app.acme.com"),
        (b"cookie", b"a=1"),
        (b"accept", b"*/*"),
        (b"cookie", b"b=2"),
        (b"x-empty", b""),
    ]
    assert (request.framing, request.length) == (Framing.NONE, 0)
    assert (request.keep_alive, request.expects_continue, request.is_websocket) == (True, False, False)


def test_the_same_lines_twice_are_the_same_request() -> None:
    data = head(b"Accept: */*", b"Content-Length: 3")
    first, second = (parse_request_head(data, LIMITS) for _ in range(2))
    assert (first.target, first.headers, first.length) == (second.target, second.headers, second.length)
    assert (second.framing, second.length, len(second.headers)) == (Framing.LENGTH, 3, 3)


@pytest.mark.parametrize(
    "target",
    [
        b"/",
        b"//a//b",
        b"/a%2Fb;c",
        b"/.././a",
        b"/a?",
        b"/a?b=c?d/e",
        b"/~!$&'()*+,=:@-._|^`{}[]\"<>\\",
        "/ü".encode(),
        b"/\xff",
    ],
)
def test_targets_that_pass_as_they_are(target: bytes) -> None:
    assert parse_request_head(head(line=b"GET %b HTTP/1.1" % target), LIMITS).target == target


@pytest.mark.parametrize("method", [b"GET", b"get", b"PROPFIND", b"M-SEARCH", b"X", b"A!#$%&'*+.^_`|~0"])
def test_methods_are_any_token(method: bytes) -> None:
    assert parse_request_head(head(line=method + b" / HTTP/1.1"), LIMITS).method == method.decode()


def test_the_server_itself_can_be_asked_for_its_options() -> None:
    assert parse_request_head(head(line=b"OPTIONS * HTTP/1.1"), LIMITS).target == b"*"


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"GET /", id="http-0.9"),
        pytest.param(b"GET  / HTTP/1.1", id="two-blanks"),
        pytest.param(b"GET /  HTTP/1.1", id="two-blanks-before-the-version"),
        pytest.param(b"GET\t/ HTTP/1.1", id="tab"),
        pytest.param(b"GET / a HTTP/1.1", id="blank-in-the-target"),
        pytest.param(b"GET / HTTP/1.1 ", id="blank-at-the-end"),
        pytest.param(b" GET / HTTP/1.1", id="blank-at-the-start"),
        pytest.param(b"GET / http/1.1", id="lower-case-version"),
        pytest.param(b"GET / HTTP/1.1x", id="more-behind-the-version"),
        pytest.param(b"GET / HTTP/1.10", id="version-with-two-digits"),
        pytest.param(b"GET / HTTP/11", id="version-without-a-dot"),
        pytest.param(b"GET / ICY/1.1", id="other-protocol"),
        pytest.param(b"G@T / HTTP/1.1", id="method-no-token"),
        pytest.param(b"A" * 65 + b" / HTTP/1.1", id="long-method"),
        pytest.param(b"GET /\x00 HTTP/1.1", id="nul"),
        pytest.param(b"GET /\r HTTP/1.1", id="cr"),
        pytest.param(b"GET /\n HTTP/1.1", id="lf"),
        pytest.param(b"GET /\x7f HTTP/1.1", id="del"),
        pytest.param(b"GET http://app.acme.com/ HTTP/1.1", id="absolute"),
        pytest.param(b"GET https://evil.example/ HTTP/1.1", id="absolute-elsewhere"),
        pytest.param(b"CONNECT app.acme.com:443 HTTP/1.1", id="authority"),
        pytest.param(b"GET * HTTP/1.1", id="asterisk"),
        pytest.param(b"GET a HTTP/1.1", id="relative"),
        pytest.param(b"GET ?a HTTP/1.1", id="query-only"),
        pytest.param(b"GET \\a HTTP/1.1", id="backslash"),
        pytest.param(b"GET /a#b HTTP/1.1", id="fragment"),
    ],
)
def test_request_lines_that_go_nowhere(line: bytes) -> None:
    with pytest.raises(BadRequest) as caught:
        parse_request_head(head(line=line), LIMITS)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        pytest.param([b"Content-Length: 1", b"Transfer-Encoding: chunked"], 400, id="cl-te"),
        pytest.param([b"Content-Length: 1", b"Content-Length: 1"], 400, id="cl-cl"),
        pytest.param([b"Content-Length: 1, 1"], 400, id="cl-list"),
        pytest.param([b"Content-Length: +1"], 400, id="cl-sign"),
        pytest.param([b"Content-Length: 0x1"], 400, id="cl-hex"),
        pytest.param([b"Content-Length:"], 400, id="cl-empty"),
        pytest.param([b"Content-Length: 1 1"], 400, id="cl-blank"),
        pytest.param([b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"], 400, id="te-te"),
        pytest.param([b"Transfer-Encoding: chunked, chunked"], 501, id="te-list"),
        pytest.param([b"Transfer-Encoding: gzip"], 501, id="te-gzip"),
        pytest.param([b"Transfer-Encoding: xchunked"], 501, id="te-unknown"),
        pytest.param([b"Transfer-Encoding: \x0bchunked"], 400, id="te-vt"),
        pytest.param([b"Transfer-Encoding : chunked"], 400, id="blank-before-colon"),
        pytest.param([b"Transfer-Encoding\t: chunked"], 400, id="tab-before-colon"),
        pytest.param([b"Transfer\xffEncoding: chunked"], 400, id="obs-text-in-name"),
        pytest.param([b"X: a", b" folded"], 400, id="fold"),
        pytest.param([b"X: a", b"\tfolded: b"], 400, id="fold-with-colon"),
        pytest.param([b"no colon"], 400, id="no-colon"),
        pytest.param([b": no name"], 400, id="no-name"),
        pytest.param([b"X: a\x00b"], 400, id="nul"),
        pytest.param([b"X: a\rb"], 400, id="cr"),
        pytest.param([b"X: a\nY: b"], 400, id="lf"),
        pytest.param([b"X: a\x7f"], 400, id="del"),
        pytest.param([b"X: a\x1b[0m"], 400, id="escape"),
        pytest.param([b"X(1): a"], 400, id="name-no-token"),
        pytest.param([b"Host: app.acme.com"], 400, id="host-host"),
        pytest.param([b"host: evil.example"], 400, id="host-other-host"),
        pytest.param([b"a: 1"] * 5, 431, id="too-many"),
    ],
)
def test_fields_that_go_nowhere(lines: list[bytes], status: int) -> None:
    with pytest.raises(BadRequest) as caught:
        parse_request_head(head(*lines), LIMITS)
    assert caught.value.status == status


@pytest.mark.parametrize(
    "host",
    [b"a b", b"a,b", b"a/b", b"user@a", b"a:b", b"a:123456", b"a\\b", b"a?b", b"[::1", b"::1", "ü".encode(), b"a#"],
)
def test_hosts_that_go_nowhere(host: bytes) -> None:
    with pytest.raises(BadRequest) as caught:
        parse_request_head(head(host=b"Host: " + host), LIMITS)
    assert caught.value.status == 400


@pytest.mark.parametrize("host", [b"", b"a", b"a:", b"a_b.c:8000", b"127.0.0.1", b"[::1]:80", b"xn--nxa.example."])
def test_hosts_that_pass(host: bytes) -> None:
    assert parse_request_head(head(host=b"Host: " + host), LIMITS).headers == [(b"host", host)]


def test_http_1_1_needs_a_host_and_http_1_0_does_not() -> None:
    with pytest.raises(BadRequest):
        parse_request_head(head(host=None), LIMITS)
    request = parse_request_head(head(line=b"GET / HTTP/1.0", host=None), LIMITS)
    assert (request.version, request.keep_alive) == ("1.0", False)


@pytest.mark.parametrize("version", [b"2.0", b"1.2", b"0.9", b"3.0"])
def test_other_versions_are_told_so(version: bytes) -> None:
    with pytest.raises(BadRequest) as caught:
        parse_request_head(head(line=b"GET / HTTP/" + version), LIMITS)
    assert caught.value.status == 505


def test_http_1_0_has_no_chunks() -> None:
    with pytest.raises(BadRequest):
        parse_request_head(head(b"Transfer-Encoding: chunked", line=b"POST / HTTP/1.0"), LIMITS)


def test_a_long_target_is_told_so() -> None:
    with pytest.raises(BadRequest) as caught:
        parse_request_head(head(line=b"GET /%b HTTP/1.1" % (b"a" * 100)), LIMITS)
    assert caught.value.status == 414


@pytest.mark.parametrize(
    ("lines", "keep_alive"),
    [
        ([], True),
        ([b"Connection: keep-alive"], True),
        ([b"Connection: close"], False),
        ([b"Connection: X, Close"], False),
        ([b"Connection: x", b"Connection: close"], False),
    ],
)
def test_connection(lines: list[bytes], keep_alive: bool) -> None:
    assert parse_request_head(head(*lines), LIMITS).keep_alive is keep_alive


@pytest.mark.parametrize(
    ("lines", "expects"),
    [
        ([b"Expect: 100-Continue", b"Content-Length: 1"], True),
        ([b"Expect: 100-continue", b"Transfer-Encoding: chunked"], True),
        ([b"Expect: 100-continue", b"Content-Length: 0"], False),
        ([b"Expect: 100-continue"], False),
        ([b"Expect: something", b"Content-Length: 1"], False),
    ],
)
def test_a_100_is_expected_for_a_body_only(lines: list[bytes], expects: bool) -> None:
    assert parse_request_head(head(*lines), LIMITS).expects_continue is expects


UPGRADE = [b"Connection: keep-alive, Upgrade", b"Upgrade: WebSocket"]


@pytest.mark.parametrize(
    ("line", "lines", "is_websocket"),
    [
        (b"GET / HTTP/1.1", UPGRADE, True),
        (b"GET / HTTP/1.1", [*UPGRADE, b"Content-Length: 0"], True),
        (b"GET / HTTP/1.1", [*UPGRADE, b"Content-Length: 1"], False),
        (b"GET / HTTP/1.1", [b"Connection: Upgrade", b"Upgrade: h2c"], False),
        (b"GET / HTTP/1.1", [b"Upgrade: websocket"], False),
        (b"POST / HTTP/1.1", UPGRADE, False),
        (b"GET / HTTP/1.0", UPGRADE, False),
    ],
)
def test_websockets(line: bytes, lines: list[bytes], is_websocket: bool) -> None:
    assert parse_request_head(head(*lines, line=line), LIMITS).is_websocket is is_websocket


@pytest.mark.parametrize(
    "data", [b"G", b"GET / HTTP/1.1", b"GET / HTTP/1.1\r", b"GET / HTTP/1.1\r\nhost: a\r\n", b"\r"]
)
def test_a_beginning_may_become_a_head(data: bytes) -> None:
    check_unfinished(data, 0, 0, LIMITS)
    check_unfinished(b"\r\n" + data.removeprefix(b"\r"), 2, 0, LIMITS)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        pytest.param(b"\x16\x03\x01\x02\x00", 400, id="tls"),
        pytest.param(b"\x00", 400, id="binary"),
        pytest.param(b"\nGET", 400, id="empty-line-without-cr"),
        pytest.param(b"GET / HTTP/1.1\nhost: a\n\n", 400, id="bare-lf"),
        pytest.param(b"GET / HTTP/1.1\rhost", 400, id="bare-cr"),
        pytest.param(b"GET / HTTP/1.1\r\r\nhost", 400, id="cr-cr-lf"),
        pytest.param(b"GET /" + b"a" * 250, 414, id="long-line"),
        pytest.param(b"GET / HTTP/1.1\r\n" + b"a" * 400, 431, id="long-head"),
    ],
)
def test_a_beginning_that_no_end_could_save(data: bytes, status: int) -> None:
    with pytest.raises(BadRequest) as caught:
        check_unfinished(data, 0, 0, LIMITS)
    assert caught.value.status == status


def test_only_what_is_new_of_a_beginning_is_looked_at() -> None:
    data = b"GET / HTTP/1.1\nx: y"
    check_unfinished(data, 0, len(data), LIMITS)
    with pytest.raises(BadRequest):
        check_unfinished(b"GET / HTTP/1.1\r" + b"x", 0, 15, LIMITS)
