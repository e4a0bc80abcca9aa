"""The host's own Python callable as the source of identity."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import TypeGuard

from portal_gateway.errors import IdentityError
from portal_gateway.identity.base import NotAtHand
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

    def at_hand(self, scope: Scope) -> EndUser | None:
        """What the callable returns, if it is no awaitable. Raises IdentityError, NotAtHand."""
        if not self.immediate:
            raise NotAtHand(self.name)
        result = self._call(scope)
        if _waits(result):
            self.immediate = False
            if inspect.iscoroutine(result):
                result.close()  # it has not begun, and will be asked for again
            raise NotAtHand(self.name)
        return _checked(result)

    async def identify(self, scope: Scope) -> EndUser | None:
        """What the callable returns. Raises IdentityError if it fails or returns neither user nor None."""
        result = self._call(scope)
        if _waits(result):
            self.immediate = False
            try:
                result = await result
            except IdentityError:
                raise
            except Exception as error:
                raise _failed(error) from error
        return _checked(result)

    async def aclose(self) -> None:
        """Nothing is held."""

    def _call(self, scope: Scope) -> object:
        try:
            return self._identify(scope)
        except IdentityError:
            raise
        except Exception as error:
            raise _failed(error) from error


def _waits(result: object) -> TypeGuard[Awaitable[object]]:
    return result is not None and not isinstance(result, EndUser) and inspect.isawaitable(result)


def _checked(user: object) -> EndUser | None:
    if user is None or isinstance(user, EndUser):
        return user
    raise IdentityError(f"the app's identify callable returned {type(user).__name__}, not EndUser or None")


def _failed(error: Exception) -> IdentityError:
    logger.error("the identify callable failed", exc_info=error)
    return IdentityError("the app's identify callable failed")
