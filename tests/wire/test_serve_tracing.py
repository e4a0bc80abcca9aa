"""Traces of `serve`, as a collector gets them by OTLP."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from frameworks_support import PAGE, PATIENCE_S, WHOAMI, Vendors, visitor
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span
from processes import PORTAL_GATEWAY, Sidecar, free_port, running_process, running_sidecar, write_config
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from portal_gateway import __version__
from portal_gateway.sandbox.server import running

pytestmark = pytest.mark.asyncio(loop_scope="module")

TRACE, CLIENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{CLIENT}-01"
JANE = {"id": "jane", "email": "jane@vance.example", "name": "Jane Moreau", "company_id": "201"}


@dataclass
class Collector:
    """Keeps what it is sent."""

    url: str = ""
    sent: list[bytes] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def app(self) -> Starlette:
        async def traces(request: Request) -> Response:
            self.sent.append(await request.body())
            self.changed.set()
            return Response(media_type="application/x-protobuf")

        return Starlette(routes=[Route("/v1/traces", traces, methods=["POST"])])

    @property
    def environ(self) -> dict[str, str]:
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.url, "OTEL_BSP_SCHEDULE_DELAY": "50"}

    def resource(self) -> dict[str, Any]:
        """What the spans are of."""
        [resource, *_] = self._resource_spans()
        return attributes(resource.resource)

    def spans(self) -> list[Span]:
        return [span for resource in self._resource_spans() for scope in resource.scope_spans for span in scope.spans]

    def _resource_spans(self) -> list[ResourceSpans]:
        return [spans for body in self.sent for spans in ExportTraceServiceRequest.FromString(body).resource_spans]

    async def span(self, test: Callable[[Span], bool]) -> Span:
        """The first one that passes `test`, as soon as it is there."""
        async with asyncio.timeout(PATIENCE_S):
            while not (found := next(filter(test, self.spans()), None)):
                self.changed.clear()
                await self.changed.wait()
            return found


@asynccontextmanager
async def running_collector() -> AsyncIterator[Collector]:
    collector = Collector()
    async with running(collector.app()) as collector.url:
        yield collector


def attributes(span: Any) -> dict[str, Any]:
    return {item.key: getattr(item.value, item.value.WhichOneof("value")) for item in span.attributes}


def app() -> Starlette:
    async def seen(request: Request) -> Response:
        return JSONResponse(dict(request.headers), int(request.query_params.get("status", "200")))

    async def me(request: Request) -> Response:
        return JSONResponse({"user": JANE} if "sid" in request.cookies else {})

    return Starlette(routes=[Route("/", lambda _: HTMLResponse(PAGE)), Route("/seen", seen), Route("/api/me", me)])


@asynccontextmanager
async def served(vendors: Vendors, directory: Path, *arguments: str, **environ: str) -> AsyncIterator[Sidecar]:
    async with running(app()) as upstream:
        file = write_config(directory / "gateway.yaml", {**vendors.config(WHOAMI), "upstream": upstream})
        async with running_sidecar(file, *arguments, environ={**vendors.environ, **environ}) as sidecar:
            yield sidecar


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_a_request_is_a_span_between_the_clients_and_the_apps(
    vendors: Vendors, tmp_path: Path, workers: str
) -> None:
    async with (
        running_collector() as collector,
        served(vendors, tmp_path, "--workers", workers, **collector.environ) as sidecar,
        visitor(sidecar.url) as client,
    ):
        headers = {"traceparent": PARENT, "tracestate": "vendor=1", "baggage": "a=1;b=2 , c = 3"}
        seen = (await client.get("/seen?status=503&token=s3cret", headers=headers)).json()
        span = await collector.span(lambda span: span.trace_id.hex() == TRACE)
        log = json.loads(await sidecar.process.line())
        assert await sidecar.process.stop() == 0
    assert (span.name, span.kind, span.parent_span_id.hex()) == ("GET", Span.SPAN_KIND_SERVER, CLIENT)
    assert attributes(span) == {
        "http.request.method": "GET",
        "url.path": "/seen",
        "url.scheme": "http",
        "http.response.status_code": 503,
        "error.type": "503",
    }
    assert seen["traceparent"] == f"00-{TRACE}-{span.span_id.hex()}-01"
    assert (seen["tracestate"], seen["baggage"]) == ("vendor=1", "a=1;b=2 , c = 3")
    assert log["trace_id"] == TRACE
    assert collector.resource()["service.name"] == "portal-gateway"
    assert collector.resource()["service.version"] == __version__
    assert b"s3cret" not in b"".join(collector.sent)


async def test_a_request_without_a_trace_begins_one(vendors: Vendors, tmp_path: Path) -> None:
    async with (
        running_collector() as collector,
        served(vendors, tmp_path, OTEL_SERVICE_NAME="portal", **collector.environ) as sidecar,
        visitor(sidecar.url) as client,
    ):
        seen = (await client.get("/seen")).json()
        log = json.loads(await sidecar.process.line())
        span = await collector.span(lambda span: True)
        assert seen["traceparent"].startswith(f"00-{span.trace_id.hex()}-{span.span_id.hex()}-0")
        assert log["trace_id"] == span.trace_id.hex()
        assert span.parent_span_id == b""
        assert collector.resource()["service.name"] == "portal"


async def test_what_is_not_sampled_is_not_sent_and_the_app_knows(vendors: Vendors, tmp_path: Path) -> None:
    async with (
        running_collector() as collector,
        served(vendors, tmp_path, **collector.environ) as sidecar,
        visitor(sidecar.url) as client,
    ):
        seen = (await client.get("/seen", headers={"traceparent": PARENT[:-2] + "00"})).json()
        assert re.fullmatch(rf"00-{TRACE}-[0-9a-f]{{16}}-00", seen["traceparent"])
        await client.get("/seen")
        await collector.span(lambda span: True)
        assert TRACE not in [span.trace_id.hex() for span in collector.spans()]


async def test_calls_to_vendors_are_parts_and_nothing_says_whose(vendors: Vendors, tmp_path: Path) -> None:
    async with (
        running_collector() as collector,
        served(vendors, tmp_path, **collector.environ) as sidecar,
        visitor(sidecar.url) as client,
    ):
        client.cookies.set("sid", "s3cret-cookie")
        launch = await client.get("/portal/success/launch?from=s3cret-query")
        await client.get("/portal/success/join/s3cret-key")
        page = await client.get("/")
        link = launch.headers["location"]
        served_span = await collector.span(lambda span: span.name == "GET /portal/success/launch")
        called = await collector.span(
            lambda span: span.kind == Span.SPAN_KIND_CLIENT and span.parent_span_id == served_span.span_id
        )
        await collector.span(lambda span: attributes(span).get("url.path") == "/")
        assert await sidecar.process.stop() == 0
    assert "portal-link" in page.text
    assert attributes(served_span) == {
        "http.request.method": "GET",
        "url.path": "/portal/success/launch",
        "url.scheme": "http",
        "http.route": "/portal/success/launch",
        "http.response.status_code": 303,
    }
    vendor = vendors.planhat_url.removeprefix("http://")
    assert called.name == f"GET {vendor.partition(':')[0]}"
    assert attributes(called) == {
        "http.request.method": "GET",
        "server.address": "127.0.0.1",
        "server.port": int(vendor.partition(":")[2]),
        "http.response.status_code": 200,
    }
    told = b"".join(collector.sent)
    secrets = [link.rsplit("/", 1)[1], "s3cret", "jane", "Moreau", *vendors.environ.values()]
    assert [secret for secret in secrets if secret.encode() in told] == []


async def test_a_collector_that_is_away_costs_nobody_time(vendors: Vendors, tmp_path: Path) -> None:
    endpoint = f"http://127.0.0.1:{free_port()}"
    async with (
        served(vendors, tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, OTEL_BSP_SCHEDULE_DELAY="50") as sidecar,
        visitor(sidecar.url) as client,
    ):
        for _ in range(20):
            assert (await client.get("/seen")).status_code == 200
        async with asyncio.timeout(10):  # the exporter itself would try for as long, and then a second time
            assert await sidecar.process.stop() == 0
    assert "s3cret" not in sidecar.log


WITHOUT_THE_EXTRA = """
import sys
sys.modules["opentelemetry.sdk"] = None
from portal_gateway import cli
raise SystemExit(cli.main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    ("command", "environ", "says"),
    [
        pytest.param(
            (sys.executable, "-c", WITHOUT_THE_EXTRA), {}, r"pip install 'portal-gateway\[otel\]'", id="extra"
        ),
        pytest.param(PORTAL_GATEWAY, {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "grpc is not spoken", id="protocol"),
        pytest.param(PORTAL_GATEWAY, {"OTEL_PROPAGATORS": "smoke"}, "Propagator smoke not found", id="variable"),
    ],
)
async def test_what_cannot_be_traced_is_served_all_the_same(
    vendors: Vendors, tmp_path: Path, command: tuple[str, ...], environ: dict[str, str], says: str
) -> None:
    async with running(app()) as upstream:
        file = write_config(tmp_path / "gateway.yaml", {**vendors.config(WHOAMI), "upstream": upstream})
        environ = {**vendors.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", **environ}
        serve = (*command, "serve", "--config", str(file), "--port", "0")
        async with running_process(*serve, environ=environ) as process:
            url = (await process.printed(r"on (http://\S+), in front of"))[1]
            await process.printed(f"no traces: .*{says}")
            async with visitor(url) as client:
                assert (await client.get("/seen", headers={"traceparent": PARENT})).json()["traceparent"] == PARENT


async def test_nothing_is_traced_unless_a_collector_is_named(vendors: Vendors, tmp_path: Path) -> None:
    async with served(vendors, tmp_path, OTEL_SERVICE_NAME="portal") as sidecar, visitor(sidecar.url) as client:
        assert (await client.get("/seen", headers={"traceparent": PARENT})).json()["traceparent"] == PARENT
        maps = Path(f"/proc/{sidecar.process.process.pid}/maps").read_text()
        assert "google/_upb" not in maps  # protobuf's own code, of the exporter
