"""The React and the Vue app of tests/frontend with the components that docs/widget.md shows, built with Vite."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "tests" / "frontend"
INSTALLED = ROOT / ".cache" / "frontend"
PACKAGES = INSTALLED / "node_modules"

# The first line of a block in the documentation says which file it is.
_BLOCK = re.compile(r"```\w+\n(?:// |<!-- )(?P<name>[\w-]+\.(?:vue|tsx|d\.ts))(?: -->)?\n(?P<code>.*?)```", re.DOTALL)


def install() -> None:
    subprocess.run(["sh", str(SOURCES / "install.sh")], check=True)


@contextmanager
def workspace() -> Iterator[Path]:
    """The sources and what belongs to them, where Node finds the installed packages."""
    with tempfile.TemporaryDirectory(prefix="build-", dir=INSTALLED) as directory:
        work = Path(directory)
        shutil.copytree(SOURCES, work, dirs_exist_ok=True)
        blocks = _BLOCK.finditer((ROOT / "docs" / "widget.md").read_text("utf-8"))
        for block in blocks:
            folder = "vue" if block["name"].endswith(".vue") else "react"
            (work / folder / block["name"]).write_text(block["code"], "utf-8")
        types = files("portal_gateway.portal").joinpath("static", "widget.d.ts").read_text("utf-8")
        (work / "widget.d.ts").write_text(types, "utf-8")
        yield work


def build(target: Path) -> None:
    """Raises CalledProcessError if the apps cannot be built."""
    with workspace() as work:
        _run(work, "vite", "build", "--logLevel", "warn", "--emptyOutDir", "--outDir", str(target))


def type_errors() -> str:
    """What TypeScript says against the React app, with the widget's declarations."""
    with workspace() as work:
        return _run(work, "tsc", "--pretty", "false", check=False)


def _run(work: Path, command: str, *arguments: str, check: bool = True) -> str:
    program = str(PACKAGES / ".bin" / command)
    return subprocess.run([program, *arguments], cwd=work, check=check, stdout=subprocess.PIPE, text=True).stdout
