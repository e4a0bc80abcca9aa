"""The host's own Python callable as the source of identity."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable

from portal_gateway.errors import IdentityError
from portal_gateway.models import EndUser
from portal_gateway.wire.asgi import Scope

logger = logging.getLogger("portal_gateway.identity")

Identify = Callable[[Scope], EndUser | Awaitable[EndUser | None] | None]


class CallbackSource:
    """Calls `identify`, sync (in the event loop, so it must not block) or async."""

    name = "callback"

    def __init__(self, identify: Identify) -> None:
        self._identify = identify
        #: Whether it has never made anybody wait: not declared `async`, and no awaitable returned so far.
        self.immediate = not inspect.iscoroutinefunction(identify) and not inspect.iscoroutinefunction(
            getattr(identify, "__call__", None)  # noqa: B004 (an object with an async __call__)
        )

    async def identify(self, scope: Scope) -> EndUser | None:
        """What the callable returns. Raises IdentityError if it fails or returns neither user nor None."""
        try:
            result = self._identify(scope)
            if inspect.isawaitable(result):
                self.immediate = False
                result = await result
            user: object = result
        except IdentityError:
            raise
        except Exception as error:
            logger.exception("the identify callable failed")
            raise IdentityError("the app's identify callable failed") from error
        if user is None or isinstance(user, EndUser):
            return user
        raise IdentityError(f"the app's identify callable returned {type(user).__name__}, not EndUser or None")

    async def aclose(self) -> None:
        """Nothing is held."""
