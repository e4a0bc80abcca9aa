"""Where the sidecar's own status and metrics are served: an address that browsers of the site never reach."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

_HOST = re.compile(r"\[[0-9A-Fa-f:.]+(%[\w.-]+)?\]|[A-Za-z0-9._-]+")
# sockaddr_un.sun_path, its final NUL included (unix(7)).
_MAX_SOCKET_PATH_BYTES = 107


def is_socket_path(path: str) -> bool:
    """Whether a Unix socket can have this path."""
    fits = len(path.encode()) <= _MAX_SOCKET_PATH_BYTES
    return path.startswith("/") and not path.endswith("/") and fits and path.isprintable()


def parse_admin_address(value: str) -> str | tuple[str, int]:
    """A Unix socket's path, or host and port. Raises ValueError."""
    if value.startswith("/"):
        if not is_socket_path(value):
            raise ValueError(f"a socket's path is at most {_MAX_SOCKET_PATH_BYTES} bytes and names a file")
        return value
    host, _, port = value.rpartition(":")
    if not (_HOST.fullmatch(host) and port.isascii() and port.isdigit() and int(port) <= 65535):
        raise ValueError('must be HOST:PORT such as "127.0.0.1:9090", or the path of a Unix socket')
    return host.strip("[]"), int(port)


def _admin_address(value: str) -> str:
    parse_admin_address(value)
    return value


AdminAddress = Annotated[str, AfterValidator(_admin_address)]
