"""When a vendor wants to be called again. Pure: the clock is an argument."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

# A moment that has passed must not mean "at once, again and again"; vendors' longest windows are an hour.
MIN_S, MAX_S = 1.0, 3600.0

_DIGITS = re.compile(r"[0-9]{1,15}")


def retry_after_s(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds from `now` (epoch seconds) until calls may resume, within MIN_S and MAX_S; None when not told.

    `headers` has lower-case names. Retry-After is seconds or a date (RFC 9110 section 10.2.3); Rocketlane's
    X-Retry-After is a moment in epoch *milliseconds* (developer.rocketlane.com/docs/rate-limiting).
    """
    moment_ms = headers.get("x-retry-after", "").strip()
    if _DIGITS.fullmatch(moment_ms):
        return _bounded(int(moment_ms) / 1000 - now)
    value = headers.get("retry-after", "").strip()
    if _DIGITS.fullmatch(value):
        return _bounded(int(value))
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return _bounded(moment.timestamp() - now)


def _bounded(seconds: float) -> float:
    return min(max(float(seconds), MIN_S), MAX_S)
