"""Where the upstream listens."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

from portal_gateway.wire.urls import origin_of

_DEFAULT_PORTS = {"http": 80, "https": 443}
# One slash: what follows `unix://` would be a host.
_UNIX = re.compile(r"unix:(/[^/].*)")

P = TypeVar("P")


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
    def parse(cls, url: str, ca_file: Path | None = None) -> Origin:
        """The origin of `http[s]://host[:port]` or `unix:/path`. Raises ValueError for anything else.

        A certificate of an https upstream is verified against the host name, and against the authorities of `ca_file`
        or the system's. Raises OSError if that file cannot be used.
        """
        if unix := _UNIX.fullmatch(url):
            return cls("localhost", 0, b"localhost", path=unix[1])
        origin = origin_of(url)
        if origin is None or not origin.isascii():
            raise ValueError(f"upstream must be http[s]://host[:port] or unix:/path, not {url!r}")
        parts = urlsplit(url)
        if parts.path not in ("", "/") or parts.query or parts.fragment:
            raise ValueError(f"upstream {url!r} must not have a path, query or fragment: requests keep their own path")
        tls = ssl.create_default_context(cafile=ca_file) if parts.scheme == "https" else None
        assert parts.hostname is not None
        port = parts.port or _DEFAULT_PORTS[parts.scheme]
        return cls(parts.hostname, port, origin.partition("://")[2].encode("ascii"), tls)

    @property
    def address(self) -> str:
        """What tells it from others, for people: `127.0.0.1:8000`, or the path of the socket."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.path or f"{host}:{self.port}"

    @property
    def server_hostname(self) -> str | None:
        """The name in the TLS handshake (SNI), None without TLS."""
        return self.host if self.tls is not None else None

    async def connect(self, protocol: Callable[[], P]) -> P:
        """What `protocol` makes, which has the methods of an asyncio.Protocol, connected. Raises OSError."""
        loop, make = asyncio.get_running_loop(), cast(Any, protocol)
        if self.path is not None:
            made = (await loop.create_unix_connection(make, self.path))[1]
        else:
            connecting = loop.create_connection(
                make, self.host, self.port, ssl=self.tls, server_hostname=self.server_hostname
            )
            made = (await connecting)[1]
        return cast(P, made)
