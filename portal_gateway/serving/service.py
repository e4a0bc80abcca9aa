"""What is served: a configuration file as it was when it last was good."""

from __future__ import annotations

import logging
from pathlib import Path

from portal_gateway.errors import SettingsError
from portal_gateway.serving.watching import WatchedFiles
from portal_gateway.settings import Settings
from portal_gateway.settings.load import load_file
from portal_gateway.sidecar import Sidecar, build_sidecar

logger = logging.getLogger("portal_gateway.serve")


class Service:
    """`upstream` of the command line wins over that of the file. Raises SettingsError."""

    def __init__(self, config: str, upstream: str | None) -> None:
        self._config = config
        self._overrides = {"upstream": upstream} if upstream else {}
        self.files = WatchedFiles()
        self.settings = self._load()
        self.sidecar()  # everything that can be wrong is found before an address is taken

    def sidecar(self) -> Sidecar:
        """A new one; it has connected to nothing."""
        return build_sidecar(self.settings)

    def reload(self) -> Sidecar | None:
        """A sidecar of the file as it is now; None, and all as before, if that is not good. Then the log says why."""
        try:
            settings = self._load()
            sidecar = build_sidecar(settings)
        except SettingsError as error:
            logger.error("not reloaded, all stays as it was: %s", error.message)
            return None
        except Exception:
            logger.exception("not reloaded, all stays as it was")
            return None
        for key in ("admin", "client_limits"):
            if getattr(settings, key) != getattr(self.settings, key):
                logger.warning("`%s` has changed: that takes a restart", key)
        self.settings = settings
        return sidecar

    def _load(self) -> Settings:
        return load_file(Path(self._config), overrides=self._overrides, reading=self.files.note)
