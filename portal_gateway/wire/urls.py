"""URLs we build, and URLs we check before they are followed or shown (docs/rules.md, rule 5)."""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import quote, urlsplit

# A browser strips tabs and newlines inside a URL and reads a backslash as a slash (WHATWG URL, basic URL
# parser), so a checked URL must not hold any of them, nor blanks or other controls.
_UNSAFE = re.compile(r"[\x00-\x20\x7f\\]")

# Host and port as browsers and Python agree on them: no credentials, percent-encoding or zone; internationalized
# names in their ASCII form (RFC 6454 section 6.2). Origins go into headers, so nothing else may get in.
_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]*)?")

# Percent-encoded dots, slashes, backslashes, percent signs and controls: some servers decode them before they route.
_AMBIGUOUS = re.compile(r"%(?:2[ef5]|5c|[01][0-9a-f]|7f)", re.IGNORECASE)

_DEFAULT_PORTS = {"http": 80, "https": 443}


def origin_of(url: str) -> str | None:
    """`https://host[:port]` in lower case without a default port, or None if `url` is no plain http(s) URL."""
    if _UNSAFE.search(url):
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    authority = _AUTHORITY.fullmatch(parts.netloc)
    if authority is None or parts.scheme not in _DEFAULT_PORTS:
        return None
    suffix = "" if port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{port}"
    return f"{parts.scheme}://{authority[1].lower()}{suffix}"


def is_private_channel(url: str) -> bool:
    """Whether nobody in between can read or change what is sent to `url`: https, or http on this very machine."""
    origin = origin_of(url)
    if origin is None:
        return False
    return origin.startswith("https:") or _is_loopback(urlsplit(origin).hostname or "")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def path_segment(value: str) -> str:
    """`value` percent-encoded as exactly one path segment. Dot segments cannot be expressed and are refused.

    Raises ValueError for "", "." and "..": encoded or not, servers resolve dots and collapse empty segments.
    """
    if value in ("", ".", ".."):
        raise ValueError("an id used in a URL path must not be empty, '.' or '..'")
    return quote(value, safe="")


def local_path(target: str) -> str | None:
    """`target` if it is a path on this very site ("/a?b"), else None: guards `next` against open redirects."""
    if not target.startswith("/") or target.startswith("//") or _UNSAFE.search(target):
        return None
    return target


def plain_path(path: str) -> str | None:
    """`path` if every server and browser reads the same in it, else None: no dot segments, nothing encoded twice."""
    if _UNSAFE.search(path) or _AMBIGUOUS.search(path) or not {".", ".."}.isdisjoint(path.split("/")):
        return None
    return path
