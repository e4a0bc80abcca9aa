"""What the bench has to know of a proxy in order to put it in front of an app."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

LINK = '<a class="portal-link" href="/portal/success/launch" target="_blank" rel="noopener">Customer portal</a>'


class NotInstalled(Exception):
    """A proxy cannot be measured on this machine; the text says what is missing."""


@dataclass(frozen=True)
class Proxy:
    """`command` is given a folder for its files, the port to listen on and that of the app. Raises NotInstalled.

    `must` is the goal: its CPU per request over that of Portal Gateway.
    """

    name: str
    command: Callable[[Path, int, int], list[str]]
    injects: bool = False
    must: float | None = None


def program(name: str, package: str) -> str:
    """The path of a program. Raises NotInstalled."""
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if path is None:
        raise NotInstalled(f"{name} is not installed; on Debian: apt-get install {package}")
    return path


def written(path: Path, text: str) -> str:
    """The path of a file that now holds `text`."""
    path.write_text(text, encoding="utf-8")
    return str(path)
