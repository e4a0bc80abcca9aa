"""The proxy in front of servers that people run: nginx and Node, each a process of its own."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
from proxy_harness import PATIENCE_S, ask, client, get, listening_socket, proxied

pytestmark = pytest.mark.usefixtures("both_ways")

MB = 1024 * 1024

NGINX_CONF = """
daemon off; worker_processes 1; pid {prefix}/nginx.pid; error_log {prefix}/error.log; {user}
events {{ worker_connections 256; }}
http {{
  access_log off; types {{ text/html html; }} default_type application/octet-stream;
  client_body_temp_path {prefix}/body; proxy_temp_path {prefix}/p; fastcgi_temp_path {prefix}/f;
  uwsgi_temp_path {prefix}/u; scgi_temp_path {prefix}/s;
  gzip on; gzip_min_length 1; gzip_types text/html;
  server {{
    listen 127.0.0.1:{port}; root {prefix}/www; client_max_body_size 1m;
    add_header X-Connection $connection always;
    location /echo {{ return 200 "$request_uri $http_host $http_x_forwarded_for"; }}
  }}
}}
"""

NODE_APP = """
const http = require('http');
let connections = 0;
const server = http.createServer((req, res) => {
  if (req.url === '/events') {
    res.writeHead(200, {'content-type': 'text/event-stream'});
    res.write('data: 1\\n\\n');
    req.on('close', () => console.log('left'));
    return;
  }
  if (req.url === '/early') {
    res.writeHead(413, {'connection': 'close'});
    res.end('too much');
    return;
  }
  if (req.url === '/crash') { res.writeHead(200); res.write('part'); setImmediate(() => req.socket.destroy()); return; }
  const chunks = [];
  req.on('data', (chunk) => chunks.push(chunk));
  req.on('end', () => {
    res.setHeader('Set-Cookie', ['a=1', 'b=2']);
    res.end(JSON.stringify({method: req.method, url: req.url, headers: req.rawHeaders, connections,
                            body: Buffer.concat(chunks).toString('base64')}));
  });
});
server.on('connection', () => { connections += 1; });
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
"""


def program(name: str, *places: str) -> str:
    path = shutil.which(name) or next((place for place in places if os.path.exists(place)), None)
    assert path is not None, f"{name} is needed for this test; on Debian: apt-get install {name}"
    return path


@asynccontextmanager
async def process(*command: str, **options: Any) -> AsyncIterator[asyncio.subprocess.Process]:
    running = await asyncio.create_subprocess_exec(*command, **options)
    try:
        yield running
    finally:
        if running.returncode is None:
            running.terminate()
        await running.communicate()


async def until_listening(port: int, server: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            assert server.returncode is None, "the server ended at once"
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
                continue
            writer.close()
            await writer.wait_closed()
            return


@pytest.fixture
async def nginx(tmp_path: Path) -> AsyncIterator[int]:
    with closing(listening_socket()) as sock:
        port = sock.getsockname()[1]
    www = tmp_path / "www"
    www.mkdir()
    (www / "page.html").write_text("<!doctype html><body>" + "<p>text</p>" * 10_000 + "</body>")
    (www / "big.bin").write_bytes(os.urandom(MB) * 20)
    user = "user root;" if os.geteuid() == 0 else ""
    conf = tmp_path / "nginx.conf"
    conf.write_text(NGINX_CONF.format(prefix=tmp_path, port=port, user=user))
    command = (program("nginx", "/usr/sbin/nginx"), "-e", "stderr", "-p", str(tmp_path), "-c", str(conf))
    async with process(*command) as server:
        await until_listening(port, server)
        yield port


@pytest.fixture
async def node() -> AsyncIterator[tuple[int, asyncio.subprocess.Process]]:
    async with process(program("node"), "-e", NODE_APP, stdout=asyncio.subprocess.PIPE) as server:
        assert server.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            port = int(await server.stdout.readline())
        yield port, server


async def test_nginx_pages_are_the_same_straight_and_through(nginx: int) -> None:
    requests = [
        get(b"/page.html"),
        get(b"/page.html", b"accept-encoding: gzip"),
        get(b"/page.html", method=b"HEAD"),
        get(b"/page.html", b"range: bytes=10-19"),
        get(b"/page.html", b"range: bytes=0-1,5-6"),
        get(b"/page.html", b"range: bytes=999999999-"),
        get(b"/page.html", b"if-modified-since: Fri, 01 Jan 2100 00:00:00 GMT"),
        get(b"/missing"),
        get(b"//page.html"),
        get(b"/a/%2e%2e/page.html"),
        get(b"/page.html", method=b"POST") + b"",
        get(b"/page.html", method=b"OPTIONS"),
    ]
    ignored = {b"date", b"connection", b"x-connection", b"transfer-encoding", b"content-type"}
    async with proxied(nginx) as sidecar:
        for request in requests:
            straight, through = await ask(nginx, request), await ask(sidecar.port, request)
            assert (through.status, through.broken) == (straight.status, False)
            if b"bytes=0-1,5-6" not in request:  # whose boundary is random
                assert through.body == straight.body
            assert sorted((name.lower(), value) for name, value in through.headers if name not in ignored) == sorted(
                (name.lower(), value) for name, value in straight.headers if name.lower() not in ignored
            )
        assert sidecar.errors == []


async def test_nginx_connections_are_kept(nginx: int) -> None:
    async with proxied(nginx) as sidecar:
        connections = {(await ask(sidecar.port, get(b"/page.html"))).values(b"x-connection")[0] for _ in range(20)}
        assert len(connections) == 1


async def test_nginx_under_concurrency(nginx: int) -> None:
    async with proxied(nginx) as sidecar:
        targets = [b"/echo/%d" % number for number in range(200)]
        responses = await asyncio.gather(*(ask(sidecar.port, get(target)) for target in targets))
        assert [response.body for response in responses] == [target + b" app.acme.com 127.0.0.1" for target in targets]
        assert sidecar.pool.busy_count == 0


async def test_nginx_large_file(nginx: int, tmp_path: Path) -> None:
    expected = hashlib.sha256((tmp_path / "www" / "big.bin").read_bytes()).digest()
    async with proxied(nginx) as sidecar:
        assert hashlib.sha256((await ask(sidecar.port, get(b"/big.bin"))).body).digest() == expected


async def test_nginx_refuses_an_upload_before_it_is_over(nginx: int) -> None:
    async with proxied(nginx) as sidecar, client(sidecar.port) as browser:
        browser.write(get(b"/page.html", b"content-length: 5000000", method=b"PUT") + b"x" * 100_000)
        assert (await browser.response()).status == 413
        assert sidecar.errors == []


async def test_node_sees_the_request_as_it_was(node: tuple[int, Any]) -> None:
    async with proxied(node[0]) as sidecar:
        request = get(b"//a/%2F;b?c=%20&d=", b"Cookie: a=1", b"cookie: b=2", b"content-length: 4", method=b"PUT")
        response = await ask(sidecar.port, request + b"\x00\xffab")
        seen = json.loads(response.body)
        assert (seen["method"], seen["url"]) == ("PUT", "//a/%2F;b?c=%20&d=")
        assert base64.b64decode(seen["body"]) == b"\x00\xffab"
        pairs = list(zip(seen["headers"][::2], seen["headers"][1::2], strict=True))
        assert pairs == [
            ("host", "app.acme.com"),
            ("cookie", "a=1"),
            ("cookie", "b=2"),
            ("x-forwarded-for", "127.0.0.1"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-host", "app.acme.com"),
            ("content-length", "4"),
        ]
        assert response.values(b"set-cookie") == [b"a=1", b"b=2"]


async def test_node_connections_are_kept_over_bodies_of_both_kinds(node: tuple[int, Any]) -> None:
    async with proxied(node[0]) as sidecar:
        for request in (
            get(b"/"),
            get(b"/", b"content-length: 3", method=b"POST") + b"abc",
            get(b"/", b"transfer-encoding: chunked", method=b"POST") + b"3\r\nabc\r\n0\r\n\r\n",
            get(b"/", method=b"HEAD"),
            get(b"/"),
        ):
            response = await ask(sidecar.port, request)
            assert response.status == 200
        assert json.loads(response.body)["connections"] == 1


async def test_node_learns_that_the_reader_of_a_stream_has_left(node: tuple[int, Any]) -> None:
    async with proxied(node[0]) as sidecar:
        async with client(sidecar.port) as browser:
            browser.write(get(b"/events"))
            await browser.head()
            assert bytes((await browser.event()).data) == b"data: 1\n\n"
        async with asyncio.timeout(PATIENCE_S):
            assert await node[1].stdout.readline() == b"left\n"


async def test_node_early_answer_and_crash(node: tuple[int, Any]) -> None:
    async with proxied(node[0]) as sidecar:
        async with client(sidecar.port) as browser:
            browser.write(get(b"/early", b"content-length: 5000000", method=b"POST") + b"x" * 100_000)
            assert (await browser.response()).body == b"too much"
        assert (await ask(sidecar.port, get(b"/crash"))).broken
