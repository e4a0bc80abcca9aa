"""The ASGI scope of a request (https://asgi.readthedocs.io/en/stable/specs/www.html#http-connection-scope). No IO."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

from portal_gateway.http11.extensions import TARGET
from portal_gateway.http11.request_head import RequestHead
from portal_gateway.wire.asgi import Scope


def request_scope(common: Scope, request: RequestHead, state: Mapping[str, Any]) -> Scope:
    """`common` is what all requests of a connection have in common, `state` the lifespan's."""
    raw_path, mark, query = request.target.partition(b"?")
    path = unquote_to_bytes(raw_path) if b"%" in raw_path else raw_path
    root: str = common["root_path"]
    scope = {
        **common,
        "http_version": request.version,
        "method": request.method,
        "path": root + path.decode("utf-8", "replace"),
        "raw_path": root.encode("ascii") + raw_path,
        "query_string": query,
        "headers": request.headers,
        "state": {**state},
    }
    if mark and not query:
        scope[TARGET] = request.target
    return scope
