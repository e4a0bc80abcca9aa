from __future__ import annotations

from pathlib import Path

import pytest
from settings_fakes import ENVIRON, Load, Problems, write

from portal_gateway.errors import SettingsError
from portal_gateway.settings import load_settings


@pytest.fixture
def load(tmp_path: Path) -> Load:
    return lambda text: load_settings(write(tmp_path / "gateway.yaml", text), environ=ENVIRON)


@pytest.fixture
def problems(load: Load) -> Problems:
    """The problems of a file as they are printed."""

    def refused(text: str | bytes) -> list[str]:
        with pytest.raises(SettingsError) as caught:
            load(text)
        return [str(problem) for problem in caught.value.problems]

    return refused
