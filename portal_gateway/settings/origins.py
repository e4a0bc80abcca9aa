"""Origins: scheme, host and port, in the one form that browsers send."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from portal_gateway.wire.urls import origin_of


def http_origin(value: str) -> str:
    """`value` in that form. Raises ValueError."""
    origin = origin_of(value)
    if origin is None or value.rstrip("/").lower() != origin:
        raise ValueError('must be an origin such as "http://127.0.0.1:8000", without a path')
    return origin


HttpOrigin = Annotated[str, AfterValidator(http_origin)]
