"""Where the upstream listens."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

from portal_gateway.wire.urls import origin_of

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port of the upstream. `authority` is what a request without Host gets as Host."""

    host: str
    port: int
    authority: bytes
    tls: ssl.SSLContext | None = None

    @classmethod
    def parse(cls, url: str) -> Origin:
        """The origin of `http[s]://host[:port]`. Raises ValueError for anything else, a path prefix included.

        A certificate of an https upstream is verified against the system's authorities and the host name.
        """
        origin = origin_of(url)
        if origin is None or not origin.isascii():
            raise ValueError(f"upstream must be http://host[:port] or https://host[:port], not {url!r}")
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
