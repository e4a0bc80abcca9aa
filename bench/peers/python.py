"""Proxies in Python, which change no bodies and log no requests."""

from __future__ import annotations

import sys
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from bench.peers.proxy import NotInstalled, Proxy


def _command(name: str, package: str, folder: Path, port: int, upstream: int) -> list[str]:
    if find_spec(package) is None:
        raise NotInstalled(f"{package} is not installed: `make bench` installs bench/requirements.txt")
    return [sys.executable, "-m", "bench.peers.python_proxies", name, str(port), f"http://127.0.0.1:{upstream}"]


STARLETTE = Proxy("Starlette + httpx", partial(_command, "starlette_httpx", "httpx"))
FASTAPI_PROXY_LIB = Proxy("fastapi-proxy-lib", partial(_command, "fastapi_proxy_lib", "fastapi_proxy_lib"), must=30)
