"""The second listener: probes and metrics of all workers, and what the log says of each request."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from pathlib import Path

import httpx
from processes import PATIENCE_S, running_process
from serve_kit import ENVIRON, config_for, running_upstream, serving, write_config

from portal_gateway import __version__
from portal_gateway.observe.metrics import FAMILIES

TRACE_PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


async def test_probes_metrics_and_a_page_for_people(tmp_path: Path) -> None:
    async with running_upstream() as upstream, serving(upstream, tmp_path) as served, served.client() as client:
        async with httpx.AsyncClient(base_url=served.admin_url, trust_env=False, timeout=PATIENCE_S) as operator:
            assert (await operator.get("/live")).text == "live\n"
            assert (await operator.get("/ready")).json() == {"ready": True, "draining": False, "troubles": []}
            for _ in range(3):
                assert (await client.get("/")).status_code == 200
            assert f"Portal Gateway {__version__}" in (await operator.get("/")).text
            for path in ("/metrics", "/ready", "/portal/metrics", "/portal/-/metrics"):
                assert "portal_gateway_" not in (await operator.get(served.url + path)).text, "not for browsers"
        metrics = await served.metrics()
        assert metrics.value("portal_gateway_requests_total", kind="app", status="2xx") == 3
        assert metrics.value("portal_gateway_requests_total", kind="app", status="4xx") == 2
        assert metrics.value("portal_gateway_requests_total", kind="portal", status="4xx") == 2
        assert metrics.value("portal_gateway_request_seconds_count", kind="app") == 5
        assert metrics.value("portal_gateway_left_alone_total") == 5
        app = upstream.url.removeprefix("http://")
        assert metrics.value("portal_gateway_upstream_connections", upstream=app, state="idle") == 1
        assert metrics.value("portal_gateway_workers", state="serving") == 1
        assert metrics.value("portal_gateway_info", version=__version__) == 1
        assert 10_000_000 < metrics.value("portal_gateway_worker_memory_bytes") < 200_000_000
        assert metrics.kinds.keys() <= FAMILIES.keys()


async def test_requests_that_reach_nobody_are_counted(tmp_path: Path) -> None:
    async with running_upstream() as upstream, serving(upstream, tmp_path) as served:
        for request, status in ((b"GET / HTTP/1.1\r\n\r\n", b"400"), (b"GET / HTTP/2.5\r\nHost: a\r\n\r\n", b"505")):
            reader, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(served.url).port)
            writer.write(request)
            assert (await reader.read()).startswith(b"HTTP/1.1 " + status)
            writer.close()
        metrics = await served.metrics()
        assert metrics.value("portal_gateway_requests_refused_total", status="400") == 1
        assert metrics.value("portal_gateway_requests_refused_total", status="505") == 1


async def test_the_figures_of_two_workers_add_up_whoever_is_asked(tmp_path: Path) -> None:
    async with running_upstream() as upstream, serving(upstream, tmp_path, "--workers", "2") as served:
        for _ in range(30):
            async with served.client() as client:
                assert (await client.get("/")).status_code == 200
        total = await served.until("requests_total", lambda value: value >= 30, kind="app")
        assert total == 30
        metrics = await served.metrics()
        assert metrics.value("portal_gateway_workers", state="serving") == 2
        assert metrics.value("portal_gateway_info") == 1
        assert len([key for key in metrics.samples if key[0] == "portal_gateway_worker_memory_bytes"]) == 2


async def test_a_unix_socket_for_the_operators(tmp_path: Path) -> None:
    path = str(tmp_path / "admin.sock")
    async with running_upstream() as upstream, serving(upstream, tmp_path, admin=path) as served:
        assert served.admin_url == f"unix:{path}"
        transport = httpx.AsyncHTTPTransport(uds=path)
        async with httpx.AsyncClient(transport=transport, base_url="http://admin", timeout=PATIENCE_S) as operator:
            assert (await operator.get("/live")).text == "live\n"
        assert await served.process.stop() == 0


async def test_a_request_has_one_id_and_keeps_its_trace_from_the_client_to_the_app_and_the_log(tmp_path: Path) -> None:
    async with running_upstream() as upstream, serving(upstream, tmp_path) as served, served.client() as client:
        made = await client.get("/?secret=s3cret")
        taken = await client.get("/", headers={"x-request-id": "of-the-client", "traceparent": TRACE_PARENT})
        replaced = await client.get("/", headers={"x-request-id": "no good"})
        answers = [made, taken, replaced]
        lines = [json.loads(await served.process.line()) for _ in answers]
    ids = [answer.headers["x-request-id"] for answer in answers]
    assert [answer.json()["headers"]["x-request-id"] for answer in answers] == ids
    assert [line["request_id"] for line in lines] == ids
    assert ids[1] == "of-the-client"
    assert len({*ids, "no good"}) == 4
    assert taken.json()["headers"]["traceparent"] == TRACE_PARENT
    assert lines[1]["trace_id"] == TRACE_PARENT.split("-")[1]
    assert (lines[0]["path"], lines[0]["status"], lines[0]["bytes"]) == ("/", 200, len(made.content))
    assert "s3cret" not in str(lines)


async def test_a_log_that_nobody_reads_holds_up_nobody(tmp_path: Path) -> None:
    async with running_upstream() as upstream, serving(upstream, tmp_path) as served, served.client() as client:
        path = "/" + "p" * 1000
        # The test's own reader takes 128 KB before it pauses, the pipe 64 KB.
        for _ in range(300):
            assert (await client.get(path)).status_code == 404
        assert (await served.metrics()).value("portal_gateway_requests_total") == 300


async def test_a_socket_of_systemd_is_taken_over(tmp_path: Path) -> None:
    """The protocol of sd_listen_fds(3): descriptor 3, and our own process id in the environment."""
    async with running_upstream() as upstream:
        file = write_config(tmp_path / "gateway.yaml", config_for(upstream))
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            script = (
                f"import os; os.dup2({listener.fileno()}, 3); os.environ['LISTEN_PID'] = str(os.getpid())\n"
                f"from portal_gateway.cli import main; raise SystemExit(main(['serve', '--config', {str(file)!r}]))"
            )
            environ = {**ENVIRON, "LISTEN_FDS": "1"}
            command = (sys.executable, "-c", script)
            async with running_process(*command, environ=environ, pass_fds=(listener.fileno(),)) as process:
                await process.printed(rf"on http://127\.0\.0\.1:{port}, in front of")
                async with httpx.AsyncClient(timeout=PATIENCE_S, trust_env=False) as client:
                    assert (await client.get(f"http://127.0.0.1:{port}/")).status_code == 200
                assert await process.stop() == 0
            # Whoever holds the socket still does: clients wait for the next process instead of being refused.
            socket.create_connection(("127.0.0.1", port), PATIENCE_S).close()
