"""The C extension, whose source is in the directory c. It may be missing: see header_names.py and first_look.py."""

from collections.abc import Iterable
from typing import Any, final

from portal_gateway.wire.asgi import RawHeaders, Scope, Send
from portal_gateway.wire.first_look import Others

@final
class HeaderNames:
    """See header_names.py. Takes 65 535 names at most."""

    def __init__(self, names: Iterable[bytes], *, folded: bool = False) -> None: ...
    def among(self, headers: RawHeaders, /) -> RawHeaders | None:
        """Raises TypeError for what is no list of tuples that begin with bytes."""

@final
class FirstLooks:
    """See first_look.py."""

    number: int
    def __init__(self, others: Others) -> None: ...
    def at(self, scope: Scope, page: Any, send: Send, /) -> Send: ...

@final
class FirstLook:
    """One request of FirstLooks, which alone make it."""
