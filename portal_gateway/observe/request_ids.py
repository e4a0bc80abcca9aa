"""Ids that follow a request through proxies, apps and logs.

X-Request-Id has no standard; Heroku, Rails and Envoy take one that is there and make one where there is none.
traceparent is https://www.w3.org/TR/trace-context/; it is only read here and passes like any other header.
"""

from __future__ import annotations

import re
from random import getrandbits
from typing import Final

from portal_gateway.wire.asgi import Scope
from portal_gateway.wire.headers import as_pairs, replaced, values

REQUEST_ID: Final = b"x-request-id"
_TRACE_PARENT: Final = b"traceparent"
_NAMES: Final = frozenset({REQUEST_ID, _TRACE_PARENT})
# Nothing that means anything to a shell, a query language or JSON. Rails takes 255 characters, Heroku 200.
_is_sane: Final = re.compile(rb"[A-Za-z0-9._:@/+=~-]{1,128}").fullmatch
_is_trace: Final = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?").fullmatch


def identify(scope: Scope) -> tuple[bytes, str]:
    """The id of a request, which its headers carry from now on, and that of its trace, empty if there is none."""
    headers = as_pairs(scope["headers"])
    for name, _ in headers:
        if name in _NAMES:
            return _identify_further(scope)
    request_id = _new_id()
    scope["headers"] = [*headers, (REQUEST_ID, request_id)]
    return request_id, ""


def _identify_further(scope: Scope) -> tuple[bytes, str]:
    headers = scope["headers"]
    trace_id = _trace_id(values(headers, _TRACE_PARENT))
    ids = values(headers, REQUEST_ID)
    if len(ids) == 1 and _is_sane(ids[0]):
        return ids[0], trace_id
    request_id = _new_id()
    scope["headers"] = replaced(headers, REQUEST_ID, request_id)
    return request_id, trace_id


def _new_id() -> bytes:
    return getrandbits(128).to_bytes(16).hex().encode()  # to be told apart by, not a secret


def _trace_id(parents: list[bytes]) -> str:
    match = _is_trace(parents[0]) if len(parents) == 1 else None
    return match[1].decode() if match else ""
