from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from portal_gateway.errors import VendorUnavailable
from portal_gateway.observe.spans import call_span

API = "https://api.vendor.example:8443/v1"


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """What a process has that OpenTelemetry was set up in."""
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    names = {"get_tracer": provider.get_tracer, "SpanKind": trace.SpanKind, "StatusCode": trace.StatusCode}
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", SimpleNamespace(**names))  # type: ignore[arg-type]
    return exporter


def the_span(exporter: InMemorySpanExporter) -> ReadableSpan:
    [span] = exporter.get_finished_spans()
    return span


def test_an_answer(exporter: InMemorySpanExporter) -> None:
    with call_span("POST", API) as call:
        call.status = 201
    span = the_span(exporter)
    assert (span.name, span.kind, span.status.status_code) == (
        "POST api.vendor.example",
        trace.SpanKind.CLIENT,
        trace.StatusCode.UNSET,
    )
    assert span.attributes == {
        "http.request.method": "POST",
        "server.address": "api.vendor.example",
        "server.port": 8443,
        "http.response.status_code": 201,
    }


def test_trouble_by_its_code_and_nothing_else_of_it(exporter: InMemorySpanExporter) -> None:
    def fail() -> None:
        with call_span("GET", "https://api.vendor.example") as call:
            call.status = 503
            raise VendorUnavailable("nobody is at home")

    with pytest.raises(VendorUnavailable):
        fail()
    span = the_span(exporter)
    assert span.attributes == {
        "http.request.method": "GET",
        "server.address": "api.vendor.example",
        "http.response.status_code": 503,
        "error.type": "vendor_unavailable",
    }
    assert span.status.status_code is trace.StatusCode.ERROR
    assert "at home" not in span.to_json()


def test_a_call_that_was_not_answered_has_no_status(exporter: InMemorySpanExporter) -> None:
    with pytest.raises(KeyboardInterrupt), call_span("GET", API):
        raise KeyboardInterrupt
    assert "http.response.status_code" not in (the_span(exporter).attributes or {})


def test_without_opentelemetry_there_is_nothing_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "opentelemetry.trace")
    with call_span("GET", API) as call:
        call.status = 200
    assert "opentelemetry.trace" not in sys.modules
