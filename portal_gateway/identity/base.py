"""What an identity source is."""

from __future__ import annotations

from typing import Protocol

from portal_gateway.models import EndUser
from portal_gateway.wire.asgi import Scope


class IdentitySource(Protocol):
    """One way to learn the end user of a request."""

    @property
    def name(self) -> str:
        """The source's slug, for logs and `explain`."""
        ...

    @property
    def immediate(self) -> bool:
        """Whether `identify` answers from the request alone, without waiting for anything."""
        ...

    async def identify(self, scope: Scope) -> EndUser | None:
        """The user that this very request proves, or None if this source knows of nobody signed in.

        Raises IdentityError if the source cannot answer now: then nobody is known, and no later source is
        asked.
        """
        ...

    async def aclose(self) -> None:
        """Free what the source holds."""
        ...


class NotAtHand(Exception):
    """Who the end user is cannot be told without waiting."""


class QuickSource(IdentitySource, Protocol):
    """A source that can be asked without waiting: by a page that has come whole, and needs nothing else."""

    def at_hand(self, scope: Scope) -> EndUser | None:
        """What `identify` returns, if it would not wait for it; else raises NotAtHand. Raises IdentityError, too."""
        ...
