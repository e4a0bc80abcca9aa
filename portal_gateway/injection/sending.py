"""Coroutines that only wait for others. Not compiled: the interpreter does that quicker."""

from __future__ import annotations

from portal_gateway.wire.asgi import Message, Send


async def held() -> None:
    """What an app awaits whose message is not sent yet."""


async def send_whole(send: Send, start: Message, body: bytes) -> None:
    """A response in one piece."""
    await send(start)
    await send({"type": "http.response.body", "body": body, "more_body": False})
