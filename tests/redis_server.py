"""A real redis-server of a test's own: on a free port of the loopback interface and on a socket, with files in tmp.

Its methods block, for some 20 ms at most: a test that must not be held up meanwhile calls them in a thread.
"""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PATIENCE_S = 30.0


class RedisServer:
    """One server that can be killed, paused and started again at the same place, empty each time."""

    def __init__(self, directory: Path, *options: str, tls: bool = False) -> None:
        """`options` are redis-server's own, such as `--maxmemory 2mb`; with `tls` they name the certificates too."""
        self.port = _free_port()
        self.socket = directory / "redis.sock"
        self._log = directory / "redis.log"
        port_options = ("--port", "0", "--tls-port", str(self.port)) if tls else ("--port", str(self.port))
        self._options = (
            *("--bind", "127.0.0.1", *port_options, "--unixsocket", str(self.socket), "--dir", str(directory)),
            *("--save", "", "--appendonly", "no", "--daemonize", "no", *options),
        )
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Returns when it answers."""
        command = _installed("redis-server")
        self.socket.unlink(missing_ok=True)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen([command, *self._options], stdout=log, stderr=log)
        deadline = time.monotonic() + PATIENCE_S
        while not self._answers():
            assert self._process.poll() is None, f"redis-server ended: {self._log.read_text()}"
            assert time.monotonic() < deadline, f"redis-server does not answer: {self._log.read_text()}"
            time.sleep(0.002)

    def kill(self) -> None:
        """SIGKILL: connections are closed by the kernel, everything in it is lost."""
        process = self._running()
        process.kill()
        process.wait(PATIENCE_S)
        self._process = None

    def restart(self) -> None:
        self.kill()
        self.start()

    def pause(self) -> None:
        """SIGSTOP: the kernel still accepts connections and bytes for it, and nothing answers."""
        self._running().send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._running().send_signal(signal.SIGCONT)

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def command(self, *words: str) -> str:
        """What redis-cli prints for one command, which goes over the socket."""
        command = (_installed("redis-cli"), "-s", str(self.socket), *words)
        ran = subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE_S)
        return ran.stdout.strip()

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(PATIENCE_S)
            try:
                client.connect(str(self.socket))
                client.sendall(b"PING\r\n")
                return bool(client.recv(100))  # an error too, such as NOAUTH
            except OSError:
                return False

    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "redis-server is not running"
        return self._process


@contextmanager
def running_redis(directory: Path, *options: str, tls: bool = False) -> Iterator[RedisServer]:
    """A server that answers, killed in the end if it still runs. `directory` has a short path: it is a socket's too."""
    server = RedisServer(directory, *options, tls=tls)
    server.start()
    try:
        yield server
    finally:
        if server.running:
            server.kill()


def _installed(name: str) -> str:
    command = shutil.which(name)
    assert command is not None, f"{name} is needed for this test; on Debian: apt-get install redis-server"
    return command


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
