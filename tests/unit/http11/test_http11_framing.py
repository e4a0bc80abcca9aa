from __future__ import annotations

import pytest

from portal_gateway.http11.framing import (
    Framing,
    FramingError,
    keeps_alive,
    request_framing,
    response_framing,
)

CL, TE = b"content-length", b"transfer-encoding"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param([], (Framing.NONE, 0), id="nothing"),
        pytest.param([(CL, b"0")], (Framing.LENGTH, 0), id="empty"),
        pytest.param([(CL, b"12")], (Framing.LENGTH, 12), id="length"),
        pytest.param([(CL, b"007")], (Framing.LENGTH, 7), id="leading-zeros"),
        pytest.param([(TE, b"chunked")], (Framing.CHUNKED, 0), id="chunked"),
        pytest.param([(TE, b"Chunked")], (Framing.CHUNKED, 0), id="chunked-case"),
    ],
)
def test_request_framing(headers: list[tuple[bytes, bytes]], expected: tuple[Framing, int]) -> None:
    assert request_framing(headers) == expected


AMBIGUOUS = [
    pytest.param([(CL, b"1"), (TE, b"chunked")], id="both"),
    pytest.param([(TE, b"chunked"), (CL, b"0")], id="both-empty"),
    pytest.param([(CL, b"1"), (CL, b"2")], id="two-lengths"),
    pytest.param([(CL, b"1"), (CL, b"1")], id="equal-lengths"),
    pytest.param([(CL, b"1, 1")], id="listed-length"),
    pytest.param([(CL, b"+1")], id="signed"),
    pytest.param([(CL, b"-1")], id="negative"),
    pytest.param([(CL, b"0x1")], id="hex"),
    pytest.param([(CL, b"1_0")], id="underscore"),
    pytest.param([(CL, b"")], id="no-digits"),
    pytest.param([(CL, b"\xb2")], id="superscript"),
    pytest.param([(CL, b"1" * 16)], id="too-long"),
    pytest.param([(TE, b"gzip, chunked")], id="second-coding"),
    pytest.param([(TE, b"identity")], id="identity"),
    pytest.param([(TE, b"xchunked")], id="not-chunked"),
    pytest.param([(TE, b"chunked\x0b")], id="vertical-tab"),
    pytest.param([(TE, b"chunked"), (TE, b"chunked")], id="chunked-twice"),
    pytest.param([(TE, b"")], id="empty-coding"),
]


@pytest.mark.parametrize("headers", AMBIGUOUS)
def test_ambiguous_framing_is_refused_both_ways(headers: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(FramingError):
        request_framing(headers)
    for method in ("GET", "HEAD"):
        with pytest.raises(FramingError):
            response_framing(method, 200, "1.1", headers)


@pytest.mark.parametrize(
    ("method", "status", "headers", "expected"),
    [
        ("GET", 200, [], Framing.CLOSE),
        ("GET", 200, [(CL, b"3")], Framing.LENGTH),
        ("GET", 200, [(CL, b"0")], Framing.LENGTH),
        ("GET", 200, [(TE, b"chunked")], Framing.CHUNKED),
        ("HEAD", 200, [(CL, b"3")], Framing.NONE),
        ("HEAD", 200, [(TE, b"chunked")], Framing.NONE),
        ("HEAD", 200, [], Framing.NONE),
        ("GET", 204, [], Framing.NONE),
        ("GET", 304, [(CL, b"3")], Framing.NONE),
        ("POST", 500, [(CL, b"3")], Framing.LENGTH),
    ],
)
def test_response_framing(method: str, status: int, headers: list[tuple[bytes, bytes]], expected: Framing) -> None:
    assert response_framing(method, status, "1.1", headers) is expected


def test_chunked_does_not_exist_in_http_1_0() -> None:
    with pytest.raises(FramingError):
        response_framing("GET", 200, "1.0", [(TE, b"chunked")])


@pytest.mark.parametrize(
    ("version", "connection", "framing", "expected"),
    [
        ("1.1", None, Framing.LENGTH, True),
        ("1.1", b"close", Framing.LENGTH, False),
        ("1.1", b"x, Close", Framing.CHUNKED, False),
        ("1.1", b"keep-alive", Framing.CLOSE, False),
        ("1.0", None, Framing.LENGTH, False),
        ("1.0", b"Keep-Alive", Framing.LENGTH, True),
        ("1.0", b"keep-alive, close", Framing.LENGTH, False),
        ("1.1", None, Framing.NONE, True),
    ],
)
def test_keeps_alive(version: str, connection: bytes | None, framing: Framing, expected: bool) -> None:
    headers = [] if connection is None else [(b"connection", connection)]
    assert keeps_alive(version, headers, framing) is expected
