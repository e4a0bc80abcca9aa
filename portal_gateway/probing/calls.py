"""Calls of a probe, and what may be told of their answers: status, type, shape, how long they took, and limits.

Calls are GETs that read, and none of them mints. What the user is called is in their URLs, so URLs are not told: the
caller gives each call a name.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from portal_gateway._version import __version__
from portal_gateway.fetching import Fetched, FetchFailed, fetch
from portal_gateway.probing.shapes import shape_of
from portal_gateway.wire import headers as h

MAX_BYTES = 4 * 1024 * 1024
_LIMIT_HEADER = re.compile(rb"(x-)?rate-?limit.*|(x-)?retry-after")
_LIMIT_VALUE = re.compile(rb"[0-9A-Za-z;=,:. \"-]{1,80}")


@dataclass(frozen=True, slots=True)
class Told:
    """How one call was answered; `failure` says why there is no answer."""

    answer: Fetched | None
    failure: str = ""

    @property
    def status(self) -> int:
        """0 if there is no answer."""
        return self.answer.status if self.answer is not None else 0

    @property
    def body(self) -> bytes:
        return self.answer.body if self.answer is not None else b""

    @property
    def value(self) -> Any:
        """The body as JSON, None if it is none."""
        try:
            return json.loads(self.body.decode("utf-8-sig"))
        except (ValueError, RecursionError):
            return None

    def __str__(self) -> str:
        return ", ".join([self.brief(), shape_of(self.body), *_limits(self.answer)]) if self.answer else self.failure

    def brief(self) -> str:
        """Without shape and limits, which an earlier finding has told."""
        if self.answer is None:
            return self.failure
        content_type = (h.text(self.answer.headers, b"content-type") or "no Content-Type").partition(";")[0].strip()
        return f"{self.status}, {content_type}, {self.answer.took_s * 1000:.0f} ms"

    def framing(self) -> str:
        """What the answer says about being framed."""
        if self.answer is None:
            return self.failure
        policies = [
            directive.strip().decode("latin-1")
            for value in h.values(self.answer.headers, b"content-security-policy")
            for directive in value.split(b";")
            if directive.strip().lower().startswith(b"frame-ancestors")
        ]
        options = h.text(self.answer.headers, b"x-frame-options")
        said = [*policies, *([f"X-Frame-Options: {options}"] if options else [])]
        return f"{self.status}, " + (", ".join(said) if said else "neither frame-ancestors nor X-Frame-Options")

    def clock_skew_s(self) -> float | None:
        """By how many seconds our clock is ahead of the answer's Date, None if that is not told."""
        date = h.text(self.answer.headers, b"date") if self.answer is not None else None
        try:
            return time.time() - parsedate_to_datetime(date).timestamp() if date else None
        except ValueError:
            return None


class Api:
    """One vendor's API, or another server, at `base_url`; `headers` go with every call.

    `ca_file` holds the authorities that are believed instead of the system's.
    """

    def __init__(
        self, base_url: str, headers: Mapping[str, str], timeout_s: float, *, ca_file: Path | None = None
    ) -> None:
        self._base_url = base_url
        self._ca_file = ca_file
        self._timeout_s = timeout_s
        self._headers = {
            "accept": "application/json, text/plain",
            "accept-encoding": "identity",
            "user-agent": f"portal-gateway/{__version__}",
            **headers,
        }

    def get(self, path: str, params: Mapping[str, str] | None = None, **headers: str) -> Told:
        """The answer to a GET of `path`, which is percent-encoded already; `headers` replace the API's own."""
        query = f"?{urlencode(params, quote_via=quote)}" if params else ""
        sent = [(key.encode(), value.encode()) for key, value in {**self._headers, **headers}.items()]
        url = f"{self._base_url}{path}{query}"
        try:
            answer = fetch(url, sent, timeout_s=self._timeout_s, max_bytes=MAX_BYTES, ca_file=self._ca_file)
        except FetchFailed as error:
            return Told(None, f"no answer: {error}")
        return Told(answer)


def _limits(answer: Fetched) -> list[str]:
    return [
        f"{name.decode('latin-1')}: {value.decode('latin-1')}"
        for name, value in answer.headers
        if _LIMIT_HEADER.fullmatch(name) and _LIMIT_VALUE.fullmatch(value)
    ]
