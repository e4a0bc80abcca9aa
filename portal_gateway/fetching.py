"""One GET as plain as can be, for the commands that look at what is out there."""

from __future__ import annotations

import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection, IncompleteRead, InvalidURL
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

_CHUNK_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Fetched:
    """A complete answer; header names are lower case."""

    status: int
    headers: list[tuple[bytes, bytes]] = field(repr=False)
    body: bytes = field(repr=False)
    took_s: float


class FetchFailed(Exception):
    """There is no complete answer; the message says why, and nothing of what was sent or received."""


def fetch(
    url: str,
    headers: Sequence[tuple[bytes, bytes]],
    *,
    timeout_s: float,
    max_bytes: int,
    ca_file: Path | None = None,
) -> Fetched:
    """The answer to one GET: no redirect is followed, no proxy asked, only `headers` sent. Raises FetchFailed.

    `ca_file` holds the authorities that are believed instead of the system's.
    """
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    began = time.monotonic()
    try:
        connection = _connection(parts, timeout_s, ca_file)
        try:
            connection.request("GET", target, headers={key.decode(): value.decode() for key, value in headers})
            response = connection.getresponse()
            body = _read(response, began + timeout_s, max_bytes)
        finally:
            connection.close()
    except (OSError, HTTPException, ValueError) as error:
        raise FetchFailed(_cause(error)) from None
    raw = [(key.lower().encode("latin-1"), value.encode("latin-1")) for key, value in response.getheaders()]
    return Fetched(response.status, raw, body, time.monotonic() - began)


def _connection(parts: SplitResult, timeout_s: float, ca_file: Path | None) -> HTTPConnection:
    host = parts.hostname or ""
    if parts.scheme != "https":
        return HTTPConnection(host, parts.port, timeout=timeout_s)
    tls = ssl.create_default_context(cafile=ca_file)
    return HTTPSConnection(host, parts.port, timeout=timeout_s, context=tls)


def _read(response: HTTPResponse, deadline: float, max_bytes: int) -> bytes:
    """The body. Raises FetchFailed for one that is too long, comes too slowly, or is cut off."""
    body = bytearray()
    while chunk := response.read1(_CHUNK_BYTES):
        body += chunk
        if len(body) > max_bytes:
            raise FetchFailed(f"longer than {max_bytes} bytes")
        if time.monotonic() > deadline:
            raise FetchFailed("the answer does not end")
    if response.length:
        raise FetchFailed("the answer is cut off")
    return bytes(body)


def _cause(error: Exception) -> str:
    # Messages of other errors quote what was sent or received.
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, OSError):
        return error.strerror or str(error) or "time-out"
    if isinstance(error, IncompleteRead):
        return "the answer is cut off"
    if isinstance(error, HTTPException) and not isinstance(error, InvalidURL):
        return "the answer is not HTTP"
    return "the address or a header has characters that HTTP does not allow"
