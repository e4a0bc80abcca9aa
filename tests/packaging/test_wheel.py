"""What users install: the wheel, in an environment with nothing but its own dependencies."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # From a copy: setuptools leaves a directory behind, whose old files the next wheel would hold.
    source, directory = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "portal_gateway", source / "portal_gateway", ignore=shutil.ignore_patterns("__pycache__"))
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(directory)]
    subprocess.run([*build, "."], cwd=source, check=True, capture_output=True)
    return next(directory.glob("*.whl"))


def test_the_wheel_holds_what_runs_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"portal_gateway"}
    for needed in ("py.typed", "portal/static/widget.js", "portal/templates/base.html", "settings/starter.yaml"):
        assert f"portal_gateway/{needed}" in names


@pytest.mark.timeout(300)
def test_the_demo_runs_from_the_wheel_in_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "venv"
    venv.create(environment, with_pip=True)
    pip = [str(environment / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--require-hashes", "-r", str(ROOT / "requirements.lock")], check=True, capture_output=True)
    subprocess.run([*pip, "--no-deps", str(wheel)], check=True, capture_output=True)
    command = [str(environment / "bin" / "portal-gateway"), "demo", "--port", "0"]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=clean,
        cwd=tmp_path,
    ) as demo:
        try:
            assert demo.stdout is not None
            lines = iter(demo.stdout.readline, "")
            url = next(m[0] for line in lines if (m := re.search(r"http://127\.0\.0\.1:\d+", line)))
            page = urllib.request.urlopen(f"{url}/login", timeout=10).read().decode()
        finally:
            demo.send_signal(signal.SIGINT)
            _, errors = demo.communicate(timeout=20)
    assert "Jane Moreau" in page
    assert (demo.returncode, errors) == (0, "")


def test_the_lock_file_names_no_index_and_pins_every_hash() -> None:
    for name in ("requirements.lock", "requirements-dev.lock"):
        lines = (ROOT / name).read_text().splitlines()
        assert not [line for line in lines if "://" in line or line.startswith("-")]
        pins = [line for line in lines if re.match(r"[a-z0-9]", line)]
        assert pins
        assert all("==" in pin and pin.endswith("\\") for pin in pins)
