"""Several apps behind one sidecar, by the prefix of the path."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest
from processes import free_port
from proxy_harness import PATIENCE_S, answering, ask, get, ok, once, proxied, serving, upstream
from starlette.applications import Starlette
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from portal_gateway.proxy.app import UpstreamProxy
from portal_gateway.proxy.upstreams import Upstreams
from portal_gateway.wire.trust import TrustedPeers


def url_of(port: int) -> str:
    return f"http://127.0.0.1:{port}"


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (b"/", b"app"),
        (b"/api", b"api"),
        (b"/api?a=/", b"api"),
        (b"/api/users/?", b"api"),
        (b"/api//x;y/../z%2f", b"api"),
        (b"/apix", b"app"),
        (b"/?/api/", b"app"),
        (b"/api%2fusers", b"app"),
        (b"/x/../api", b"app"),
        (b"/api/v2/x", b"v2"),
    ],
)
async def test_each_app_gets_its_own_paths_as_they_were_sent(target: bytes, expected: bytes) -> None:
    async with AsyncExitStack() as stack:
        apps = {
            name: await stack.enter_async_context(upstream(answering(ok(name)))) for name in (b"app", b"api", b"v2")
        }
        urls = dict(zip(("/", "/api", "/api/v2"), (url_of(app.port) for app in apps.values()), strict=True))
        sidecar = await stack.enter_async_context(proxied(urls))
        assert (await ask(sidecar.port, get(target))).body == expected
        assert [name for name, app in apps.items() if app.accepted] == [expected]
        [head] = apps[expected].heads
        assert head.startswith(b"GET " + target + b" HTTP/1.1\r\nhost: app.acme.com\r\n")


async def test_options_of_the_whole_server_are_for_the_app_of_the_rest() -> None:
    async with (
        upstream(answering(ok(b"app"))) as app,
        upstream(answering(ok(b"api"))) as api,
        proxied({"/": url_of(app.port), "/api": url_of(api.port)}) as sidecar,
    ):
        assert (await ask(sidecar.port, get(b"*", method=b"OPTIONS"))).body == b"app"


async def test_each_app_has_connections_of_its_own() -> None:
    async with (
        upstream(answering(ok())) as app,
        upstream(once(b"")) as api,
        proxied({"/": url_of(app.port), "/api": url_of(api.port)}) as sidecar,
    ):
        for _ in range(3):
            assert (await ask(sidecar.port, get(b"/"))).status == 200
            assert (await ask(sidecar.port, get(b"/api", method=b"POST"))).status == 502
        assert app.accepted == 1
        first, second = sidecar.proxy.upstreams.all
        assert (first.pool.idle_count, second.pool.idle_count) == (1, 0)
        assert (first.is_failing, second.is_failing) == (False, True)
        assert (first.failures, second.failures) == ({}, {"upstream_unavailable": 3})


async def test_an_app_that_answers_again_is_not_failing_any_more() -> None:
    async with AsyncExitStack() as stack:
        port = free_port()
        sidecar = await stack.enter_async_context(proxied(port))
        [app] = sidecar.proxy.upstreams.all
        assert (await ask(sidecar.port, get())).status == 502
        assert app.is_failing
        await stack.enter_async_context(await asyncio.start_server(answered, "127.0.0.1", port))
        assert (await ask(sidecar.port, get())).status == 200
        assert not app.is_failing
        assert app.failures == {"upstream_unavailable": 1}


async def answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(ok())
    writer.close()


async def test_websockets_too() -> None:
    def naming(name: str) -> object:
        async def handler(connection: ServerConnection) -> None:
            assert connection.request is not None
            await connection.send(f"{name} {connection.request.path}")

        return handler

    async with (
        serve(naming("app"), "127.0.0.1", 0) as app,  # type: ignore[arg-type]
        serve(naming("api"), "127.0.0.1", 0) as api,  # type: ignore[arg-type]
        proxied(
            {prefix: url_of(server.sockets[0].getsockname()[1]) for prefix, server in (("/", app), ("/api", api))}
        ) as sidecar,
        asyncio.timeout(PATIENCE_S),
    ):
        for target, expected in (("/api/live?x=1", "api /api/live?x=1"), ("/apix", "app /apix")):
            async with connect(f"ws://127.0.0.1:{sidecar.port}{target}", proxy=None) as socket:
                assert await socket.recv() == expected


async def test_prefixes_are_below_the_root_path_where_the_sidecar_is_mounted() -> None:
    async with upstream(answering(ok(b"app"))) as app, upstream(answering(ok(b"api"))) as api:
        proxy = UpstreamProxy(Upstreams({"/": url_of(app.port), "/api": url_of(api.port)}), trusted=TrustedPeers([]))
        mounted = Starlette()
        mounted.mount("/sub", proxy)
        async with serving(mounted) as port:
            assert (await ask(port, get(b"/sub/api/x"))).body == b"api"
            assert (await ask(port, get(b"/sub/x"))).body == b"app"
        assert [head.split()[1] for head in (*api.heads, *app.heads)] == [b"/api/x", b"/x"]
        await proxy.aclose()
