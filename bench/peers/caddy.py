"""Caddy's reverse_proxy. As Debian builds it, it changes no bodies."""

from __future__ import annotations

import json
from pathlib import Path

from bench.peers.proxy import Proxy, program, written


def _command(folder: Path, port: int, upstream: int) -> list[str]:
    name = f"caddy-{port}"
    handler = {
        "handler": "reverse_proxy",
        "upstreams": [{"dial": f"127.0.0.1:{upstream}"}],
        "transport": {"protocol": "http", "keep_alive": {"max_idle_conns_per_host": 64}},
    }
    site = {
        "listen": [f"127.0.0.1:{port}"],
        "automatic_https": {"disable": True},
        "logs": {},
        "routes": [{"handle": [handler]}],
    }
    log = {"writer": {"output": "file", "filename": str(folder / f"{name}.log"), "roll": False}}
    config = {
        "admin": {"disabled": True, "config": {"persist": False}},
        "storage": {"module": "file_system", "root": str(folder / name)},
        "logging": {"logs": {"default": log}},
        "apps": {"http": {"servers": {"site": site}}},
    }
    return [program("caddy", "caddy"), "run", "--config", written(folder / f"{name}.json", json.dumps(config))]


CADDY = Proxy("Caddy", _command)
