from __future__ import annotations

from typing import Any

import pytest

from portal_gateway.http11.fields import FieldError
from portal_gateway.http11.framing import Framing, FramingError
from portal_gateway.http11.response_head import ResponseHead, plain_response, response_head

Headers = list[tuple[bytes, bytes]]
ZERO = (b"content-length", b"0")


def head_of(headers: Headers, status: int = 200, **more: Any) -> ResponseHead:
    facts: dict[str, Any] = {"method": "GET", "version": "1.1", "keep_alive": True, **more}
    return response_head(status, headers, **facts)


def test_a_head_in_the_order_of_its_headers() -> None:
    head = head_of([(b"Set-Cookie", b"a"), (b"content-length", b"3"), (b"set-cookie", b"b")])
    assert head.data == b"HTTP/1.1 200 OK\r\nset-cookie: a\r\ncontent-length: 3\r\nset-cookie: b\r\n\r\n"
    assert (head.framing, head.length, head.keep_alive) == (Framing.LENGTH, 3, True)


@pytest.mark.parametrize(
    ("headers", "more", "framing", "keep_alive", "end"),
    [
        ([], {}, Framing.CHUNKED, True, b"transfer-encoding: chunked\r\n\r\n"),
        ([(b"Transfer-Encoding", b"chunked")], {}, Framing.CHUNKED, True, b"OK\r\ntransfer-encoding: chunked\r\n\r\n"),
        ([], {"version": "1.0", "keep_alive": False}, Framing.CLOSE, False, b"OK\r\nconnection: close\r\n\r\n"),
        ([], {"method": "HEAD"}, Framing.NONE, True, b"OK\r\n\r\n"),
        ([(b"content-length", b"3")], {"method": "HEAD"}, Framing.NONE, True, b"OK\r\ncontent-length: 3\r\n\r\n"),
        ([], {"status": 204}, Framing.NONE, True, b"No Content\r\n\r\n"),
        ([], {"status": 304}, Framing.NONE, True, b"Not Modified\r\n\r\n"),
        ([(b"content-length", b"0")], {"keep_alive": False}, Framing.LENGTH, False, b"0\r\nconnection: close\r\n\r\n"),
        ([(b"content-length", b"0"), (b"connection", b"X, Close")], {}, Framing.LENGTH, False, b"X, Close\r\n\r\n"),
        ([ZERO, (b"connection", b"close")], {"keep_alive": False}, Framing.LENGTH, False, b"close\r\n\r\n"),
    ],
)
def test_how_the_body_is_delimited(
    headers: Headers, more: dict[str, Any], framing: Framing, keep_alive: bool, end: bytes
) -> None:
    head = head_of(headers, **more)
    assert (head.framing, head.keep_alive) == (framing, keep_alive)
    assert head.data.endswith(end)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([(b"a", b"b\r\nc: d")], 200),
        ([(b"a\r\nb", b"c")], 200),
        ([(b"", b"c")], 200),
        ([(b"a", b"\x00")], 200),
        ([(b"content-length", b"1"), (b"Content-Length", b"2")], 200),
        ([(b"content-length", b"x")], 200),
        ([], 99),
        ([], 101),
        ([], 600),
    ],
)
def test_what_must_not_be_sent(headers: Headers, status: int) -> None:
    with pytest.raises((FieldError, FramingError)):
        head_of(headers, status)


def test_an_unknown_status_has_no_reason() -> None:
    assert head_of([(b"content-length", b"0")], 299).data.startswith(b"HTTP/1.1 299 \r\n")


def test_an_answer_of_the_servers_own() -> None:
    assert plain_response(400, "no Höst") == (
        b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 7\r\n"
        b"connection: close\r\n\r\nno H?st"
    )
