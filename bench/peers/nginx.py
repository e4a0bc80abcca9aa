"""nginx, which also serves the static site behind all others."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from bench.peers.proxy import LINK, Proxy, program, written

_COMMON = """
daemon off;
worker_processes 1;
pid {folder}/{name}.pid;
error_log stderr crit;
{user}
events {{ worker_connections 4096; }}
http {{
  types {{ text/html html; application/json json; }}
  access_log {log};
  keepalive_requests 1000000000;
  keepalive_timeout 75;
  tcp_nopush off;
  client_body_temp_path {folder}/{name}-body;
  proxy_temp_path {folder}/{name}-proxy;
  fastcgi_temp_path {folder}/{name}-fastcgi;
  uwsgi_temp_path {folder}/{name}-uwsgi;
  scgi_temp_path {folder}/{name}-scgi;
  {http}
}}
"""
_STATIC = """sendfile on;
  open_file_cache max=100 inactive=1h;
  server {{ listen 127.0.0.1:{port}; root {root}; }}"""
_PROXY = """proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_set_header Host $host;
  proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
  proxy_buffer_size 16k;
  proxy_buffers 16 32k;
  proxy_busy_buffers_size 256k;
  proxy_max_temp_file_size 0;
  upstream app {{ server 127.0.0.1:{upstream}; keepalive 64; keepalive_requests 1000000000; }}
  server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://app; {rewriting} }} }}"""
# sub_filter_once off: with `on` nginx stops at the first `</body>`, which is one inside the style element.
_SUB_FILTER = f"sub_filter '</body>' '{LINK}</body>'; sub_filter_once off;"


def static(folder: Path, root: Path, port: int) -> list[str]:
    """The command that serves the files below `root`."""
    return configured(folder, "static", _STATIC.format(port=port, root=root), log="off")


def _proxy(rewriting: str, folder: Path, port: int, upstream: int) -> list[str]:
    name = f"nginx-{port}"
    http = _PROXY.format(port=port, upstream=upstream, rewriting=rewriting)
    return configured(folder, name, http, f"{folder}/{name}.log combined buffer=64k")


def configured(folder: Path, name: str, http: str, log: str) -> list[str]:
    """The command that serves what `http` says, directives as they stand in the block of that name."""
    user = "user root;" if os.geteuid() == 0 else ""
    text = _COMMON.format(folder=folder, name=name, user=user, http=http, log=log)
    return [
        program("nginx", "nginx-light"),
        "-p",
        str(folder),
        "-c",
        written(folder / f"{name}.conf", text),
        "-e",
        "stderr",
    ]


PLAIN = Proxy("nginx", partial(_proxy, ""))
SUB_FILTER = Proxy("nginx sub_filter", partial(_proxy, _SUB_FILTER), injects=True)
