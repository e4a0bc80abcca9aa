"""Where the upstream listens."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlsplit

from portal_gateway.wire.urls import origin_of

_DEFAULT_PORTS = {"http": 80, "https": 443}
# One slash: what follows `unix://` would be a host.
_UNIX = re.compile(r"unix:(/[^/].*)")

P = TypeVar("P", bound=asyncio.Protocol)


@dataclass(frozen=True, slots=True)
class Origin:
    """Host and port of the upstream, or the `path` of its Unix socket.

    `authority` is what a request without Host gets as Host.
    """

    host: str
    port: int
    authority: bytes
    tls: ssl.SSLContext | None = None
    path: str | None = None

    @classmethod
    def parse(cls, url: str) -> Origin:
        """The origin of `http[s]://host[:port]` or `unix:/path`. Raises ValueError for anything else.

        A certificate of an https upstream is verified against the system's authorities and the host name.
        """
        if unix := _UNIX.fullmatch(url):
            return cls("localhost", 0, b"localhost", path=unix[1])
        origin = origin_of(url)
        if origin is None or not origin.isascii():
            raise ValueError(f"upstream must be http[s]://host[:port] or unix:/path, not {url!r}")
        parts = urlsplit(url)
        if parts.path not in ("", "/") or parts.query or parts.fragment:
            raise ValueError(f"upstream {url!r} must not have a path, query or fragment: requests keep their own path")
        tls = ssl.create_default_context() if parts.scheme == "https" else None
        assert parts.hostname is not None
        port = parts.port or _DEFAULT_PORTS[parts.scheme]
        return cls(parts.hostname, port, origin.partition("://")[2].encode("ascii"), tls)

    @property
    def server_hostname(self) -> str | None:
        """The name in the TLS handshake (SNI), None without TLS."""
        return self.host if self.tls is not None else None

    async def connect(self, protocol: Callable[[], P]) -> P:
        """What `protocol` makes, connected. Raises OSError."""
        loop = asyncio.get_running_loop()
        if self.path is not None:
            return (await loop.create_unix_connection(protocol, self.path))[1]
        hostname = self.server_hostname
        connecting = loop.create_connection(protocol, self.host, self.port, ssl=self.tls, server_hostname=hostname)
        return (await connecting)[1]
