"""Taking an address to listen on, before anything else is started on it."""

from __future__ import annotations

import os
import socket
import stat

BACKLOG = 2048  # uvicorn's default


class AddressTaken(OSError):
    """The address cannot be listened on; the message says which one and why."""


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises AddressTaken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sets TCP_NODELAY only where the protocol is named; without it a response in two pieces takes 40 ms more.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        # Without `listen` a port that another process has bound is only noticed later.
        listener.listen(BACKLOG)
    except (OSError, OverflowError) as error:
        listener.close()
        raise AddressTaken(f"cannot listen on {host} port {port}: {_reason(error)}") from None
    return listener


def listen_unix(path: str) -> socket.socket:
    """A listening Unix socket, for the owner and the group; one that nobody listens on any more is replaced.

    Raises AddressTaken.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_abandoned(path)
        listener.bind(path)
        os.chmod(path, stat.S_IRUSR | stat.S_IWUSR | stat.S_IRGRP | stat.S_IWGRP)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise AddressTaken(f"cannot listen on {path}: {_reason(error)}") from None
    return listener


def passed_listener(environ: dict[str, str] | os._Environ[str] = os.environ) -> socket.socket | None:
    """The socket that systemd listens on for us, None if it does not; sd_listen_fds(3)."""
    if environ.get("LISTEN_PID") != str(os.getpid()) or environ.get("LISTEN_FDS") != "1":
        return None
    listener = socket.socket(fileno=_FIRST_PASSED)
    listener.set_inheritable(False)
    return listener


def base_url(listener: socket.socket) -> str:
    """The http URL under which a listening socket is reached; `unix:` and the path of a Unix socket."""
    name = listener.getsockname()
    if isinstance(name, str):
        return f"unix:{name}"
    host, port = name[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


_FIRST_PASSED = 3  # SD_LISTEN_FDS_START


def _remove_abandoned(path: str) -> None:
    """Remove the socket of a process that is gone. What is not a socket is left for `bind` to stumble over."""
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.connect(path)
    except FileNotFoundError:
        pass
    except ConnectionRefusedError:
        os.unlink(path)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
