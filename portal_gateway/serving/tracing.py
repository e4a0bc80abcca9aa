"""Traces by OpenTelemetry: a span for each request, which what the app behind and vendors do for it is a part of.

Rules of this file
- Nothing is imported unless the environment names a collector, in OpenTelemetry's own variables.
- A span says what a line of the access log does: no query, no user, no address, no header, no key of a shared link.
- A collector that is away costs nobody time: a thread sends the spans, and those that are too many are dropped.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from portal_gateway._version import __version__
from portal_gateway.wire.asgi import ASGIApp, Message, RawHeaders, Receive, Scope, Send

if TYPE_CHECKING:
    from opentelemetry.propagators.textmap import TextMapPropagator
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, Tracer

logger = logging.getLogger("portal_gateway.serve")

# For the spans that are left at the end.
STOP_S = 2.0
_MAX_PATH = 1024
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_STARTS = frozenset({"http.response.start", "websocket.http.response.start", "websocket.accept"})
# Whatever is asked for below the mount path is no route because of that: names of spans are few.
_NO_ROUTE = (404, 405)


def start_tracing(environ: Mapping[str, str] = os.environ) -> Tracing | None:
    """What traces this process from now on; None if that is not wanted, or cannot be, which the log says then."""
    exporters = environ.get("OTEL_TRACES_EXPORTER", "otlp").split(",")
    if "otlp" not in exporters or not any(map(environ.get, _ENDPOINTS)):
        return None
    protocol = next(filter(None, map(environ.get, _PROTOCOLS)), "http/protobuf")
    if protocol != "http/protobuf":
        logger.error("no traces: %s is not spoken, but http/protobuf is, mostly at port 4318", protocol)
        return None
    try:
        return Tracing(_provider(environ))
    except ImportError:
        logger.error("no traces: they need the extra `otel`: pip install 'portal-gateway[otel]'")
    except Exception as error:  # a variable of OpenTelemetry's has a value that it cannot use
        logger.error("no traces: %s", error)
    return None


def _provider(environ: Mapping[str, str]) -> TracerProvider:
    """What sends spans to the collector; endpoint, headers, sampler and limits are up to OpenTelemetry's variables."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    name = Resource({"service.name": "portal-gateway", "service.version": __version__})
    resource = Resource.create().merge(name).merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    # A collector that is away is said every time that spans are given up, not at every try.
    logging.getLogger("opentelemetry.exporter").setLevel(logging.ERROR)
    return provider


class Tracing:
    """The tracing of one process."""

    def __init__(self, provider: TracerProvider) -> None:
        from opentelemetry import propagate, trace

        self._provider = provider
        self._propagator = propagate.get_global_textmap()
        trace.set_tracer_provider(provider)

    def around(self, app: ASGIApp, mount_path: Callable[[], str]) -> ASGIApp:
        tracer = self._provider.get_tracer("portal_gateway", __version__)
        return TracedApp(app, tracer, self._propagator, mount_path)

    def stop(self) -> None:
        """Send what is left, as far as the collector takes it in time."""
        stopping = threading.Thread(target=self._provider.shutdown, name="traces", daemon=True)
        stopping.start()
        stopping.join(STOP_S)


def own_route(path: str, mount_path: str) -> str | None:
    """What a span shows of one of the gateway's own paths; None for those of the app behind.

    A portal and what is wanted of it. What comes after that may be the key of a shared link.
    """
    if path != mount_path and not path.startswith(mount_path + "/"):
        return None
    return "/".join(path.split("/")[: mount_path.count("/") + 3])


class TracedApp:
    """`mount_path` tells where the gateway's own routes are at this moment."""

    def __init__(
        self, app: ASGIApp, tracer: Tracer, propagator: TextMapPropagator, mount_path: Callable[[], str]
    ) -> None:
        from opentelemetry import context, trace

        self._app = app
        self._tracer = tracer
        self._mount_path = mount_path
        self._trace = trace
        self._no_context = context.Context()
        self._propagator = propagator
        self._fields = {name.lower().encode() for name in propagator.fields}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        method, route = scope.get("method", "GET"), own_route(scope["path"], self._mount_path())
        path = route or scope["raw_path"][:_MAX_PATH].decode("latin-1")
        headers = scope["headers"]
        carried = {name.decode(): value.decode("latin-1") for name, value in headers if name in self._fields}
        with self._tracer.start_as_current_span(
            method,
            context=self._propagator.extract(carried),
            kind=self._trace.SpanKind.SERVER,
            attributes={"http.request.method": method, "url.path": path, "url.scheme": scope["scheme"]},
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            continued = {**scope, "headers": self._continued(headers, span)}
            await self._app(continued, receive, self._relay(send, span, method, route))

    def _continued(self, headers: RawHeaders, span: Span) -> RawHeaders:
        """The headers that make what follows a part of `span`. What else was there, baggage among it, passes."""
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier, self._trace.set_span_in_context(span, self._no_context))
        ours = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in carrier.items()]
        replaced = {name for name, _ in ours}
        if b"traceparent" in replaced:
            replaced.add(b"tracestate")
        return [*(field for field in headers if field[0] not in replaced), *ours]

    def _relay(self, send: Send, span: Span, method: str, route: str | None) -> Send:
        def relay(message: Message) -> Awaitable[None]:
            if message["type"] in _STARTS:
                status = message.get("status", 101)
                span.set_attribute("http.response.status_code", status)
                if status >= 500:
                    span.set_attribute("error.type", str(status))
                    span.set_status(self._trace.StatusCode.ERROR)
                if route is not None and status not in _NO_ROUTE:
                    span.update_name(f"{method} {route}")
                    span.set_attribute("http.route", route)
            return send(message)

        return relay
