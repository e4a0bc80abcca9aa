"""The configuration: what may be in it (schema), where it comes from (load), and what it must not show (secrets)."""

from __future__ import annotations

from portal_gateway.settings.load import load_settings
from portal_gateway.settings.schema import Settings

__all__ = ["Settings", "load_settings"]
