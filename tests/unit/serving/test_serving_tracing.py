from __future__ import annotations

import logging
from typing import Any

import pytest
from opentelemetry.propagate import get_global_textmap
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from portal_gateway.serving.tracing import TracedApp, own_route, start_tracing
from portal_gateway.wire.asgi import ASGIApp, Message, Receive, Scope, Send

TRACE, CLIENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/", None),
        ("/portals", None),
        ("/portal", "/portal"),
        ("/portal/", "/portal/"),
        ("/portal/success", "/portal/success"),
        ("/portal/success/launch", "/portal/success/launch"),
        ("/portal/-/hooks/success", "/portal/-/hooks"),
        ("/portal/onboarding/join/the-key/of/a-link", "/portal/onboarding/join"),
    ],
)
def test_what_is_shown_of_a_path(path: str, shown: str | None) -> None:
    assert own_route(path, "/portal") == shown


@pytest.fixture
def spans() -> InMemorySpanExporter:
    return InMemorySpanExporter()


async def ask(spans: InMemorySpanExporter, app: ASGIApp, scope: dict[str, Any]) -> list[Message]:
    """What the app answers to a request, traced."""
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(spans))
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        raise AssertionError

    whole = {"type": "http", "method": "GET", "scheme": "http", "path": "/", "raw_path": b"/", "headers": []}
    traced = TracedApp(app, provider.get_tracer("test"), get_global_textmap(), lambda: "/portal")
    await traced({**whole, **scope}, receive, send)
    return sent


def answering(status: int, kind: str = "http.response.start") -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": kind, "status": status, "headers": []})

    return app


@pytest.mark.parametrize(
    ("status", "name", "is_error"),
    [
        pytest.param(303, "GET /portal/success/launch", False, id="done"),
        pytest.param(403, "GET /portal/success/launch", False, id="refused"),
        pytest.param(503, "GET /portal/success/launch", True, id="trouble"),
        pytest.param(404, "GET", False, id="no-such-route"),
        pytest.param(405, "GET", False, id="no-such-method"),
    ],
)
async def test_a_span_is_named_after_a_route_of_ours(
    spans: InMemorySpanExporter, status: int, name: str, is_error: bool
) -> None:
    path = "/portal/success/launch"
    assert len(await ask(spans, answering(status), {"path": path, "raw_path": path.encode()})) == 1
    [span] = spans.get_finished_spans()
    assert (span.name, span.status.status_code is StatusCode.ERROR) == (name, is_error)
    assert span.attributes is not None
    assert span.attributes["http.response.status_code"] == status
    assert span.attributes.get("http.route") == (path if " " in name else None)


async def test_a_websocket_has_a_span_as_well(spans: InMemorySpanExporter) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})

    await ask(spans, app, {"type": "websocket", "scheme": "ws", "path": "/live", "raw_path": b"/live"})
    [span] = spans.get_finished_spans()
    assert span.attributes is not None
    assert (span.name, span.attributes["url.scheme"]) == ("GET", "ws")
    assert span.attributes["http.response.status_code"] == 101


async def test_a_lifespan_has_none(spans: InMemorySpanExporter) -> None:
    await ask(spans, answering(0, "lifespan.startup.complete"), {"type": "lifespan"})
    assert spans.get_finished_spans() == ()


async def test_an_app_that_fails_ends_its_span_and_says_nothing_in_it(spans: InMemorySpanExporter) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise ValueError("a secret")

    with pytest.raises(ValueError, match="a secret"):
        await ask(spans, app, {})
    [span] = spans.get_finished_spans()
    assert span.end_time is not None
    assert "secret" not in span.to_json()


@pytest.mark.parametrize(
    ("headers", "passes"),
    [
        pytest.param([], [], id="none"),
        pytest.param([(b"traceparent", b"nonsense"), (b"tracestate", b"a=1")], [], id="no-trace"),
        pytest.param([(b"cookie", b"a=1"), (b"baggage", b"a = 1")], [b"cookie", b"baggage"], id="what-else-there-is"),
        pytest.param(
            [(b"traceparent", f"00-{TRACE}-{CLIENT}-01".encode()), (b"tracestate", b"a=1,b=2")], [], id="a-trace"
        ),
    ],
)
async def test_the_app_gets_one_trace_of_which_it_is_a_part(
    spans: InMemorySpanExporter, headers: list[tuple[bytes, bytes]], passes: list[bytes]
) -> None:
    seen: list[tuple[bytes, bytes]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.extend(scope["headers"])

    await ask(spans, app, {"headers": headers})
    [span] = spans.get_finished_spans()
    context = span.get_span_context()
    assert context is not None
    [parent] = [value.decode() for name, value in seen if name == b"traceparent"]
    assert parent.startswith(f"00-{context.trace_id:032x}-{context.span_id:016x}-")
    assert [name for name, _ in seen if not name.startswith(b"trace")] == passes
    assert (f"{context.trace_id:032x}" == TRACE) is (b"a=1,b=2" in dict(headers).values())
    states = [value for name, value in seen if name == b"tracestate"]
    assert states == ([b"a=1,b=2"] if f"{context.trace_id:032x}" == TRACE else [])
    assert [field for field in headers if field[0] in passes] == [field for field in seen if field[0] in passes]


ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}


@pytest.mark.parametrize(
    "environ",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"OTEL_SERVICE_NAME": "portal"}, id="no-collector"),
        pytest.param({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, id="empty"),
        pytest.param({**ENDPOINT, "OTEL_TRACES_EXPORTER": "none"}, id="no-traces"),
    ],
)
def test_nobody_is_traced_who_has_not_asked_for_it(environ: dict[str, str], caplog: pytest.LogCaptureFixture) -> None:
    assert start_tracing(environ) is None
    assert caplog.records == []


def test_the_protocol_is_said_if_it_is_another(caplog: pytest.LogCaptureFixture) -> None:
    names = {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "grpc"}
    assert start_tracing({**ENDPOINT, **names}) is None
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (logging.ERROR, "no traces: grpc is not spoken, but http/protobuf is, mostly at port 4318")
    ]
