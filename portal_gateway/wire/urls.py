"""URLs we build, and URLs we check before they are followed or shown (DESIGN rule 5)."""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit

# A browser strips tabs and newlines inside a URL and reads a backslash as a slash (WHATWG URL, basic URL
# parser), so a checked URL must not hold any of them, nor blanks or other controls.
_UNSAFE = re.compile(r"[\x00-\x20\x7f\\]")


def origin_of(url: str) -> str | None:
    """`https://host[:port]` in lower case without a default port, or None if `url` is no plain http(s) URL."""
    if _UNSAFE.search(url):
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        return None
    default = {"http": 80, "https": 443}[parts.scheme]
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{port}" if port not in (None, default) else "")


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
