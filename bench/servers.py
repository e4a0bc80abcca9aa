"""Server processes: started on a free port, pinned to one core, ended by their pid."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import portal_gateway

SERVER_CPU = 0
ROOT = Path(__file__).parent.parent
_PATIENCE_S = 20.0


@dataclass(frozen=True)
class Server:
    pid: int
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def running(
    command: Sequence[str], port: int, *, cpu: int = SERVER_CPU, environ: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """`command` as a process that listens on `port`. What it logs goes nowhere, as cheaply as that can be."""
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **(environ or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    # Before it has threads or children of its own, which get the same.
    os.sched_setaffinity(process.pid, {cpu})
    try:
        _wait_until_listening(process, port)
        yield Server(process.pid, port)
    finally:
        _end(process)


PACKAGES = Path(portal_gateway.__file__).parent.parent


@contextmanager
def package_copied() -> Iterator[Path]:
    """A directory with a copy of the package, for programs that are to have it elsewhere in memory."""
    with TemporaryDirectory() as directory:
        for source in PACKAGES.glob("portal_gateway*"):
            if source.is_dir():
                shutil.copytree(source, Path(directory, source.name))
            else:
                shutil.copy(source, directory)
        yield Path(directory)


def uvicorn(factory: str, port: int, packages: Path = PACKAGES) -> list[str]:
    """The command that serves an app factory under uvicorn on uvloop and httptools, with our package in `packages`."""
    options = ["--factory", "--port", str(port), "--loop", "uvloop", "--http", "httptools"]
    # uvicorn looks for modules in the working directory first, where the package is not compiled.
    options += ["--app-dir", str(packages)]
    return [sys.executable, "-m", "uvicorn", factory, *options, "--no-access-log", "--log-level", "critical"]


@contextmanager
def all_of(stack: Mapping[str, tuple[Sequence[str], int, Mapping[str, str]]]) -> Iterator[dict[str, Server]]:
    """Several servers at once, by name: command, port and environment."""
    with ExitStack() as running_servers:
        yield {
            name: running_servers.enter_context(running(command, port, environ=environ))
            for name, (command, port, environ) in stack.items()
        }


def _wait_until_listening(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args!r} ended with status {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"{process.args!r} does not listen on port {port}")


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(_PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
