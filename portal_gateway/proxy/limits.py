"""The time-outs and limits of the upstream side, each with the reason for its default."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timeouts:
    """In seconds.

    connect: until a connection is ours, waiting for a free one included.
    head: from the end of the request to the head of the response (nginx: proxy_read_timeout, 60 s).
    idle: between two bytes in either direction, while the upstream is the side that is waited for.
    """

    connect: float = 5.0
    head: float = 60.0
    idle: float = 60.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one worker process.

    max_connections: open HTTP connections to the upstream; more requests wait for one.
    max_idle: kept-alive connections in stock (nginx calls it `keepalive`).
    idle_expiry_s: below the 5 s after which Node, uvicorn and Apache close an idle connection.
    head_bytes: of a response, trailers likewise (HAProxy and Node allow 16 KB, Go 1 MB).
    websocket_message_bytes: one message in either direction; uvicorn's own default for clients.
    """

    max_connections: int = 1024
    max_idle: int = 64
    idle_expiry_s: float = 4.0
    head_bytes: int = 64 * 1024
    websocket_message_bytes: int = 16 * 1024 * 1024
