"""The limits and time-outs of the clients' side, each with the reason for its default."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ClientLimits:
    """Bounds of one connection; time-outs in seconds.

    target_bytes: of a request target (nginx and Apache: 8 KB for the whole line, HAProxy and Node 16 KB for all).
    head_bytes: request line and fields, trailers likewise (Node and HAProxy 16 KB, nginx 32 KB, h11 64 KB, Go 1 MB).
    fields: header fields of one request (Apache 100, HAProxy 101, Node 2000).
    keep_alive_s: between two requests. Longer than the 60 s after which load balancers close their side, so that they
        never send a request into a connection that is being closed (nginx 75 s; uvicorn, Node and Apache 5 s).
    head_s: from the first byte of a request to the end of its head (Apache 20 to 40 s; nginx and Node 60 s).
    body_s: between two pieces of a body that is waited for (nginx 60 s).
    send_s: between two pieces that the client takes of a response (nginx 60 s).
    linger_s: for the rest of what nobody reads, so that the client gets to see the answer (nginx 5 s).
    """

    target_bytes: int = 16 * 1024
    head_bytes: int = 64 * 1024
    fields: int = 100
    keep_alive_s: float = 75.0
    head_s: float = 20.0
    body_s: float = 60.0
    send_s: float = 60.0
    linger_s: float = 5.0
