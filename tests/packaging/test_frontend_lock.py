"""The browser tests' front-end packages: exactly these, from whichever registry npm is set up for."""

from __future__ import annotations

import json
from pathlib import Path

LOCK = json.loads((Path(__file__).parents[1] / "frontend" / "package-lock.json").read_text("utf-8"))


def test_the_lock_file_names_no_registry_and_pins_every_hash() -> None:
    packages = {name: package for name, package in LOCK["packages"].items() if name}
    assert len(packages) > 40
    assert [name for name, package in packages.items() if "resolved" in package] == []
    assert [name for name, package in packages.items() if not package["integrity"].startswith("sha512-")] == []


def test_what_is_asked_for_is_exact() -> None:
    versions = LOCK["packages"][""]["devDependencies"].values()
    assert [
        version for version in versions if not version.removeprefix("npm:htmx.org@").replace(".", "").isdigit()
    ] == []
