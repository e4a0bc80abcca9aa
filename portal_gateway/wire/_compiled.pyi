"""The C extension, whose source is in the directory c. It may be missing: see header_names.py."""

from collections.abc import Iterable
from typing import final

from portal_gateway.wire.asgi import RawHeaders

@final
class HeaderNames:
    """See header_names.py. Takes 65 535 names at most."""

    def __init__(self, names: Iterable[bytes], *, folded: bool = False) -> None: ...
    def among(self, headers: RawHeaders, /) -> RawHeaders:
        """Raises TypeError for what is no list of tuples that begin with bytes."""
