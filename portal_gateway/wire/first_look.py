"""The first look at what an app answers: by the C extension where it was built.

Most of what clients are sent who do not say that they want a page is JSON, which never is one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from portal_gateway.wire.asgi import Message, Scope, Send

Others: TypeAlias = Callable[[Scope, Any, Send], Send]
"""Makes the `send` for what is more than JSON, of what `at` was given."""


class FirstLooksInPython:
    """What stands in for the C extension. `number` counts the answers that were JSON."""

    def __init__(self, others: Others) -> None:
        self._others = others
        self.number = 0

    def at(self, scope: Scope, page: Any, send: Send) -> Send:
        """The `send` for a request: JSON goes to `send` itself."""
        goes_to: Send | None = None

        def take(message: Message) -> Awaitable[None]:
            nonlocal goes_to
            if goes_to is None:
                if _begins_with_json(message):
                    self.number += 1
                    goes_to = send
                else:
                    goes_to = self._others(scope, page, send)
            return goes_to(message)

        return take


def _begins_with_json(message: Message) -> bool:
    if type(message) is not dict or message.get("type") != "http.response.start":
        return False
    headers = message.get("headers")
    return isinstance(headers, list) and any(field == (b"content-type", b"application/json") for field in headers)


try:
    from portal_gateway.wire._compiled import FirstLooks as FirstLooks
except ImportError:
    FirstLooks = FirstLooksInPython  # type: ignore[misc, assignment]
