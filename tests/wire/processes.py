"""Programs as processes of their own: servers that people run, and `portal-gateway` itself."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

PATIENCE_S = 30.0
PORTAL_GATEWAY = (sys.executable, "-m", "portal_gateway")


def program(name: str, *places: str) -> str:
    path = shutil.which(name) or next((place for place in places if os.path.exists(place)), None)
    assert path is not None, f"{name} is needed for this test; on Debian: apt-get install {name}"
    return path


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@dataclass
class Process:
    """A running program. Its stderr is read all the time, so that it never blocks on it."""

    process: asyncio.subprocess.Process
    errors: bytearray = field(default_factory=bytearray)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def log(self) -> str:
        return self.errors.decode()

    async def drain(self) -> None:
        assert self.process.stderr is not None
        while chunk := await self.process.stderr.read(65536):
            self.errors += chunk
            self._changed.set()
        self._changed.set()

    async def printed(self, pattern: str) -> re.Match[str]:
        """The first match of `pattern` in stderr, as soon as it is there."""
        async with asyncio.timeout(PATIENCE_S):
            while not (match := re.search(pattern, self.log)):
                assert self.process.returncode is None, f"ended before it printed {pattern!r}: {self.log}"
                self._changed.clear()
                await self._changed.wait()
            return match

    async def line(self) -> str:
        """The next line of stdout."""
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            return (await self.process.stdout.readline()).decode()

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal; the exit status."""
        self.process.send_signal(number)
        return await self.ended()

    async def ended(self) -> int:
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            # A pipe with something in it that no test has read keeps `wait` waiting.
            _, status = await asyncio.gather(self.process.stdout.read(), self.process.wait())
            return status


@asynccontextmanager
async def running_process(
    *command: str, environ: Mapping[str, str] = {}, pass_fds: Sequence[int] = ()
) -> AsyncIterator[Process]:
    """Ended by SIGTERM, or killed if that does not help, unless it has ended by itself."""
    child = await asyncio.create_subprocess_exec(
        *command,
        env={**os.environ, **environ},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        pass_fds=pass_fds,
    )
    running = Process(child)
    draining = asyncio.create_task(running.drain())
    try:
        yield running
    finally:
        try:
            if child.returncode is None:
                await running.stop()
        except TimeoutError:
            child.kill()
            raise
        finally:
            await running.ended()
            await draining


async def until_listening(port: int, server: Process) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            assert server.process.returncode is None, f"ended at once: {server.log}"
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
                continue
            writer.close()
            await writer.wait_closed()
            return


@dataclass
class Sidecar:
    """`portal-gateway serve` as a process."""

    process: Process
    url: str

    @property
    def log(self) -> str:
        return self.process.log


@asynccontextmanager
async def running_sidecar(config: Path, *arguments: str, environ: Mapping[str, str] = {}) -> AsyncIterator[Sidecar]:
    command = (*PORTAL_GATEWAY, "serve", "--config", str(config), "--port", "0", *arguments)
    async with running_process(*command, environ=environ) as process:
        match = await process.printed(r"Portal Gateway \S+ on (http://127\.0\.0\.1:\d+), in front of")
        yield Sidecar(process, match[1])


async def finished(*arguments: str, environ: Mapping[str, str] = {}) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of one `portal-gateway` command."""
    child = await asyncio.create_subprocess_exec(
        *PORTAL_GATEWAY,
        *arguments,
        env={**os.environ, **environ},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(PATIENCE_S):
            out, errors = await child.communicate()
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    assert child.returncode is not None
    return child.returncode, out.decode(), errors.decode()


def write_config(path: Path, config: Mapping[str, Any]) -> Path:
    path.write_text(yaml.safe_dump(dict(config)), encoding="utf-8")
    return path
