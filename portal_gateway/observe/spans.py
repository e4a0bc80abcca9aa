"""Spans of calls to others, in a process that OpenTelemetry has been set up in: by `serve`, or by the app around us.

Elsewhere there is nothing to do and nothing to import. No span holds a URL: there are ids and e-mail addresses in them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from portal_gateway._version import __version__
from portal_gateway.errors import GatewayError


class Call:
    """One call; `status` is that of its answer."""

    status = 0


@contextmanager
def call_span(method: str, base_url: str) -> Iterator[Call]:
    """Around a call. It ends with the block, and with it the span, which says what GatewayError came of it."""
    call = Call()
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None:
        yield call
        return
    server = urlsplit(base_url)
    attributes: dict[str, str | int] = {"http.request.method": method, "server.address": server.hostname or ""}
    if server.port is not None:
        attributes["server.port"] = server.port
    tracer = trace.get_tracer("portal_gateway", __version__)
    with tracer.start_as_current_span(
        f"{method} {server.hostname}",
        kind=trace.SpanKind.CLIENT,
        attributes=attributes,
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        try:
            yield call
        except GatewayError as error:
            span.set_attribute("error.type", error.code)
            span.set_status(trace.StatusCode.ERROR)
            raise
        finally:
            if call.status:
                span.set_attribute("http.response.status_code", call.status)
