"""Files that a configuration names: relative to its own, and known to whoever watches them for changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationInfo

Reading = Callable[[Path], None]


def nobody_watches(_path: Path) -> None:
    pass


def located(path: str | Path, info: ValidationInfo) -> Path:
    """Where `path` is. To be asked right before the file is read: whoever watches is told."""
    context: Mapping[str, Any] = info.context or {}
    found: Path = context.get("base_dir", Path()) / path
    reading: Reading = context.get("reading", nobody_watches)
    reading(found)
    return found
