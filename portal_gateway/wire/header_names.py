"""Headers that are looked for by name in every request: by the C extension where it was built, without hashing each
name that is there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

from portal_gateway.wire.asgi import RawHeaders

HeaderFilter: TypeAlias = Callable[[RawHeaders], RawHeaders | None]
"""Those of some headers that are sought, in their order; None if there are none."""


def fold_name(name: bytes) -> bytes:
    """The form in which header names collide: CGI and WSGI apps read `X_User_Id` and `X-User-Id` as one."""
    return name.lower().replace(b"_", b"-")


class HeaderNamesInPython:
    """What stands in for the C extension."""

    def __init__(self, names: Iterable[bytes], *, folded: bool = False) -> None:
        self._names = frozenset(names)
        self._folded = folded

    def among(self, headers: RawHeaders) -> RawHeaders | None:
        names = self._names
        if self._folded:
            return [field for field in headers if fold_name(field[0]) in names] or None
        return [field for field in headers if field[0] in names] or None


try:
    from portal_gateway.wire._compiled import HeaderNames
except ImportError:
    HeaderNames = HeaderNamesInPython  # type: ignore[misc, assignment]


def fields_named(names: Iterable[bytes], *, folded: bool = False) -> HeaderFilter:
    """What picks the headers with one of `names`: as they are written or, with `folded`, in the form of `fold_name`."""
    return HeaderNames(names, folded=folded).among
