from __future__ import annotations

from typing import Any

import pytest

from portal_gateway.http11.extensions import TARGET
from portal_gateway.http11.limits import ClientLimits
from portal_gateway.http11.request_head import parse_request_head
from portal_gateway.http11.scope import request_scope


def scope_of(target: bytes, root: str = "") -> Any:
    request = parse_request_head(b"GET %b HTTP/1.1\r\nHost: app" % target, ClientLimits())
    return request_scope({"type": "http", "root_path": root}, request, {"a": 1})


@pytest.mark.parametrize(
    ("target", "path", "raw_path", "query"),
    [
        (b"/", "/", b"/", b""),
        (b"/a/b?c=d", "/a/b", b"/a/b", b"c=d"),
        (b"/a%2Fb%20c?%20", "/a/b c", b"/a%2Fb%20c", b"%20"),
        (b"/%E2%82%AC", "/€", b"/%E2%82%AC", b""),
        ("/€%41".encode(), "/€A", "/€%41".encode(), b""),
        (b"/%ff%zz\xff", "/\ufffd%zz\ufffd", b"/%ff%zz\xff", b""),
        (b"/a?b?c", "/a", b"/a", b"b?c"),
        (b"//a", "//a", b"//a", b""),
    ],
)
def test_paths(target: bytes, path: str, raw_path: bytes, query: bytes) -> None:
    scope = scope_of(target)
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == (path, raw_path, query)
    assert TARGET not in scope


def test_an_empty_query_is_told() -> None:
    scope = scope_of(b"/a?")
    assert (scope["raw_path"], scope["query_string"], scope[TARGET]) == (b"/a", b"", b"/a?")


def test_below_a_root_path() -> None:
    scope = scope_of(b"/a", "/root")
    assert (scope["path"], scope["raw_path"]) == ("/root/a", b"/root/a")


def test_each_request_has_a_state_of_its_own() -> None:
    state = {"a": 1}
    request = parse_request_head(b"GET / HTTP/1.1\r\nHost: app", ClientLimits())
    scope = request_scope({"root_path": ""}, request, state)
    scope["state"]["a"] = 2
    assert state == {"a": 1}
