"""The files of a configuration, looked at now and then: not all file systems and containers tell of changes."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from pathlib import Path

logger = logging.getLogger("portal_gateway.serve")

# A change is taken at the second look that finds it the same, so that nothing half-written is.
LOOK_S = 1.0

# Of what a path leads to in the end: Kubernetes replaces a symbolic link, most editors the file. None: it is not there.
Fingerprint = tuple[int, int, int, int] | None


class WatchedFiles:
    """Which files have been read, and how they were then."""

    def __init__(self) -> None:
        self._known: dict[Path, Fingerprint] = {}
        self._last_look: dict[Path, Fingerprint] = {}

    def note(self, path: Path) -> None:
        """`path` is about to be read."""
        self._known[path] = _fingerprint(path)

    def changed(self) -> bool:
        """Whether any is other than it was, and has not changed since the last look. A change is told once."""
        look = {path: _fingerprint(path) for path in tuple(self._known)}
        is_settled, self._last_look = look == self._last_look, look
        if not is_settled or look == self._known:
            return False
        self._known = look
        logger.info("the configuration, or a file that it names, has changed: it is read anew")
        return True


def hang_up_on_changes(files: WatchedFiles) -> None:
    """From now on a change is a SIGHUP to this process. Not for one that forks."""

    def watch() -> None:
        while True:
            time.sleep(LOOK_S)
            # Before the process serves, and when it has, nobody would take the signal.
            if callable(signal.getsignal(signal.SIGHUP)) and files.changed():
                os.kill(os.getpid(), signal.SIGHUP)

    threading.Thread(target=watch, name="watch", daemon=True).start()


def _fingerprint(path: Path) -> Fingerprint:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
