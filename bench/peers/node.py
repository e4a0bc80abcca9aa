"""Node's http-proxy-middleware with its responseInterceptor, installed from the lock file beside its program."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

from bench.peers.proxy import LINK, NotInstalled, Proxy, program
from bench.servers import ROOT

_SOURCE = Path(__file__).parent / "node"
_TARGET = ROOT / ".cache" / "bench-node"
_LOCK = "package-lock.json"
DEPENDENCIES: dict[str, str] = json.loads((_SOURCE / "package.json").read_text(encoding="utf-8"))["dependencies"]


def _command(folder: Path, port: int, upstream: int) -> list[str]:
    node = program("node", "nodejs")
    _install()
    return [node, str(_TARGET / "proxy.mjs"), str(port), f"http://127.0.0.1:{upstream}", LINK]


def _install() -> None:
    """The program goes where its modules are: that is where Node looks for them."""
    lock, installed = _SOURCE / _LOCK, _TARGET / "node_modules" / ".installed-lock.json"
    _TARGET.mkdir(parents=True, exist_ok=True)
    for path in _SOURCE.iterdir():
        shutil.copy(path, _TARGET)
    if installed.exists() and installed.read_bytes() == lock.read_bytes():
        return
    command = [program("npm", "npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    done = subprocess.run(command, cwd=_TARGET, check=False, capture_output=True, text=True)
    if done.returncode:
        raise NotInstalled(f"npm ci failed: {done.stderr.strip()}")
    shutil.copy(lock, installed)


HTTP_PROXY_MIDDLEWARE = Proxy("http-proxy-middleware", _command, injects=True, must=2)
