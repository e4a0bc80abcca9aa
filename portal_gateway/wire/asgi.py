"""ASGI's types, as used throughout (https://asgi.readthedocs.io/en/stable/specs/www.html)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol, TypeAlias

Scope: TypeAlias = dict[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]


class ASGIApp(Protocol):
    """Answers what is asked for in `scope`."""

    def __call__(self, scope: Scope, receive: Receive, send: Send, /) -> Awaitable[None]: ...


# Header names are lower case in ASGI scopes and, by convention, in responses of well-behaved apps.
RawHeaders: TypeAlias = list[tuple[bytes, bytes]]


def as_dict(scope: MutableMapping[str, Any]) -> Scope:
    """The scope as the dict that it is (ASGI: "a dictionary"), whatever its type says."""
    return scope if isinstance(scope, dict) else dict(scope)
