"""What users install: the wheel, in an environment with nothing but its own dependencies."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import urllib.request
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXTENSIONS = {f"portal_gateway/{room}/_compiled.abi3.so" for room in ("html", "wire")}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return _copy_source(tmp_path / "source")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _build_wheel(_copy_source(tmp_path_factory.mktemp("wheel") / "source"))


def _copy_source(directory: Path) -> Path:
    """Setuptools leaves a directory behind, whose old files the next wheel would hold."""
    shutil.copytree(
        ROOT / "portal_gateway", directory / "portal_gateway", ignore=shutil.ignore_patterns("__pycache__", "*.so")
    )
    for name in ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, directory)
    return directory


def _build_wheel(source: Path, **environment: str) -> Path:
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", "out", "."]
    done = subprocess.run(build, cwd=source, env=os.environ | environment, check=True, capture_output=True, text=True)
    assert "error" not in done.stdout + done.stderr
    return next((source / "out").glob("*.whl"))


def test_the_wheel_holds_what_runs_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"portal_gateway"}
    for needed in (
        "py.typed",
        "portal/static/widget.js",
        "portal/static/widget.d.ts",
        "portal/templates/base.html",
        "settings/starter.yaml",
    ):
        assert f"portal_gateway/{needed}" in names
    assert not [name for name in names if name.endswith((".c", ".h"))]


def test_the_wheel_holds_the_extensions_for_every_python_from_the_oldest_on(wheel: Path) -> None:
    assert set(zipfile.ZipFile(wheel).namelist()) >= EXTENSIONS
    assert "-cp311-abi3-" in wheel.name


def test_without_a_compiler_the_wheel_is_whole_but_for_the_extensions(source: Path, wheel: Path) -> None:
    plain = _build_wheel(source, CC="/no/such/compiler", LDSHARED="/no/such/linker")
    missing = set(zipfile.ZipFile(wheel).namelist()) - set(zipfile.ZipFile(plain).namelist())
    assert missing == EXTENSIONS


def test_the_source_distribution_holds_what_the_extensions_are_built_from(source: Path) -> None:
    build = "import setuptools.build_meta as b; b.build_sdist('out')"
    subprocess.run([sys.executable, "-c", build], cwd=source, check=True, capture_output=True)
    with tarfile.open(next((source / "out").glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    sources = {str(path.relative_to(ROOT)) for path in (ROOT / "portal_gateway").glob("*/c/*")}
    assert sources | {"setup.py"} <= names


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
    for name in ("requirements.lock", "requirements-dev.lock", "requirements-build.lock"):
        lines = (ROOT / name).read_text().splitlines()
        assert not [line for line in lines if "://" in line or line.startswith("-")]
        pins = [line for line in lines if re.match(r"[a-z0-9]", line)]
        assert pins
        assert all("==" in pin and pin.endswith("\\") for pin in pins)
