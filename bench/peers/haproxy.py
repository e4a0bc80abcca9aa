"""HAProxy, which changes no bodies."""

from __future__ import annotations

from pathlib import Path

from bench.peers.proxy import Proxy, program, written

_CONFIG = """
global
  nbthread 1
  maxconn 4096
  log stdout format raw local0
defaults
  mode http
  log global
  option httplog
  option forwardfor
  timeout connect 5s
  timeout client 75s
  timeout server 60s
  http-reuse always
frontend site
  bind 127.0.0.1:{port}
  default_backend app
backend app
  server app 127.0.0.1:{upstream}
"""


def _command(folder: Path, port: int, upstream: int) -> list[str]:
    path = written(folder / f"haproxy-{port}.cfg", _CONFIG.format(port=port, upstream=upstream))
    return [program("haproxy", "haproxy"), "-db", "-f", path]


HAPROXY = Proxy("HAProxy", _command)
