from __future__ import annotations

import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

SOURCES = sorted((Path(__file__).parents[3] / "portal_gateway" / "wire" / "c").glob("*.c"))
assert SOURCES, "these tests are for a checkout"


@pytest.mark.parametrize("abi", ["", "-DPy_LIMITED_API=0x030b0000"], ids=["one version", "stable ABI"])
@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_the_source_compiles_without_a_warning(source: Path, abi: str, tmp_path: Path) -> None:
    compiler = shutil.which("gcc") or shutil.which("cc")
    assert compiler, "no C compiler: tests/system_packages.sh installs gcc"
    strict = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-Wconversion", "-Wshadow", "-Wstrict-prototypes", "-O2"]
    python = ["-isystem", sysconfig.get_paths()["include"], *abi.split()]
    command = [compiler, *strict, *python, "-c", str(source), "-o", str(tmp_path / "object.o")]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
