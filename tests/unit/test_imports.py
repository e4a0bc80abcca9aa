"""Imports point downward only, and what is slow to import is imported late."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import portal_gateway

ROOT = Path(portal_gateway.__file__).parent

# From top to bottom. A room imports from lower levels and from itself, never from another room of its own level.
LEVELS = [
    {"__main__"},
    {"", "cli"},
    {"sandbox", "serving", "explaining", "explaining_access", "probing"},
    {"sidecar"},
    {"middleware"},
    {"front_door"},
    {"gateway", "lifespan"},
    {"portal", "injection", "proxy"},
    {"joining"},
    {"access"},
    {"providers", "identity", "mail"},
    {"store"},
    {"settings"},
    {"observe"},
    {"html", "http11"},
    {"wire", "arguments", "admission", "languages"},
    {"listening", "fetching", "models", "errors", "single_flight", "_version"},
]
RANK = {room: rank for rank, level in enumerate(LEVELS) for room in level}

# The sandbox stands for vendors: it must not use what it is there to test.
SANDBOX = {
    "sandbox/demo.py": {"sandbox", "middleware", "settings", "listening", "_version"},
    "sandbox/server.py": {"sandbox", "listening"},
}

# What is slow to import, and needed by some configurations only: importing the package must not import it.
LATE = {"httpx", "jwt", "cryptography", "redis", "hiredis", "aiosmtplib", "uvicorn"}
LATE |= {"opentelemetry", "brotli", "isal", "backports", "compression"}

# httpx stays in the vendor client and the fetching of keys: its types are in no signature of ours.
HTTPX_USERS = {"providers/client.py", "identity/jwks.py"}


@dataclass(frozen=True)
class Import:
    """One imported module. `late`: not when the file itself is imported."""

    file: str
    line: int
    module: str
    late: bool

    def __str__(self) -> str:
        return f"{self.file}:{self.line} imports {self.module}"

    @property
    def room(self) -> str:
        """The room of ours that is imported: "settings" of `portal_gateway.settings.load`."""
        return self.module.split(".")[1] if "." in self.module else ""


def imports_of(file: str, source: str) -> Iterator[Import]:
    for node, late in _statements(ast.parse(source), False):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno} has a relative import"
            names = [node.module or ""]
            if node.module == "portal_gateway":
                names = [f"portal_gateway.{alias.name}" for alias in node.names]
        else:
            names = [alias.name for alias in node.names]
        for name in names:
            yield Import(file, node.lineno, name, late)


def _statements(node: ast.AST, late: bool) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, late
        elif isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            yield from _statements(child, True)
        else:
            yield from _statements(child, late or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef))


def room_of(file: str) -> str:
    """The room a file belongs to; "" for the package's own `__init__`."""
    return file.split("/")[0].removesuffix(".py").replace("__init__", "")


def wrong_direction(found: Import) -> bool:
    """Whether an import of ours points upward or sideways."""
    own = room_of(found.file)
    if own == "sandbox":
        return found.room not in SANDBOX.get(found.file, {"sandbox"})
    return found.room != own and RANK[found.room] <= RANK[own]


FILES = {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in sorted(ROOT.rglob("*.py"))}
IMPORTS = [found for file, source in FILES.items() for found in imports_of(file, source)]
OURS = [found for found in IMPORTS if found.module.split(".")[0] == "portal_gateway"]


def test_every_room_has_a_level() -> None:
    assert {room_of(file) for file in FILES} <= RANK.keys()
    assert {found.room for found in OURS} <= RANK.keys()


def test_no_import_points_upward_or_sideways() -> None:
    assert [str(found) for found in OURS if wrong_direction(found)] == []


def test_httpx_is_imported_where_it_belongs() -> None:
    users = [found for found in IMPORTS if found.module.split(".")[0] == "httpx"]
    assert [str(found) for found in users if found.file not in HTTPX_USERS] == []


def early_imports(file: str, seen: set[str]) -> Iterator[Import]:
    """What is imported when `file` is, by it and by what it imports."""
    seen.add(file)
    for found in (found for found in IMPORTS if found.file == file and not found.late):
        yield found
        path = found.module.removeprefix("portal_gateway").removeprefix(".").replace(".", "/")
        for target in (f"{path}.py", f"{path}/__init__.py".removeprefix("/")):
            if found in OURS and target in FILES and target not in seen:
                yield from early_imports(target, seen)


@pytest.mark.parametrize("entry", ["__init__.py", "cli.py"])
def test_what_is_slow_to_import_is_imported_late(entry: str) -> None:
    found = list(early_imports(entry, set()))
    assert len(found) > 5
    assert [str(early) for early in found if early.module.split(".")[0] in LATE] == []


@pytest.mark.parametrize(
    ("file", "source", "wrong"),
    [
        pytest.param("access/service.py", "from portal_gateway.providers.base import Provider", False, id="down"),
        pytest.param("access/service.py", "from portal_gateway.access.memory import Store", False, id="same-room"),
        pytest.param("settings/load.py", "from portal_gateway.access.service import Source", True, id="up"),
        pytest.param("settings/load.py", "def f():\n  from portal_gateway import gateway", True, id="up-inside"),
        pytest.param("settings/load.py", "import portal_gateway.access.service", True, id="up-by-plain-import"),
        pytest.param("settings/load.py", "from portal_gateway import Settings", True, id="the-package-itself"),
        pytest.param("portal/routes.py", "from portal_gateway.proxy.pool import Pool", True, id="sibling"),
        pytest.param("models.py", "from portal_gateway.errors import Problem", True, id="sibling-file"),
        pytest.param("sandbox/planhat.py", "from portal_gateway.wire import headers", True, id="sandbox-uses-ours"),
        pytest.param("sandbox/server.py", "from portal_gateway.listening import listen", False, id="server-listens"),
        pytest.param("sandbox/demo.py", "from portal_gateway.gateway import Gateway", True, id="demo-digs-deep"),
        pytest.param(
            "settings/load.py",
            "if TYPE_CHECKING:\n  from portal_gateway.gateway import Gateway",
            True,
            id="for-types-only",
        ),
    ],
)
def test_the_test_can_fail(file: str, source: str, wrong: bool) -> None:
    [found] = imports_of(file, source)
    try:
        assert wrong_direction(found) is wrong
    except KeyError:  # a name that is no room: refused by test_every_room_has_a_level
        assert wrong


@pytest.mark.parametrize(
    ("source", "late"),
    [
        pytest.param("import httpx", False, id="at-the-top"),
        pytest.param("try:\n  import httpx\nexcept ImportError:\n  pass", False, id="in-a-try"),
        pytest.param("class A:\n  import httpx", False, id="in-a-class"),
        pytest.param("def f():\n  import httpx", True, id="in-a-function"),
        pytest.param("class A:\n  async def f(self):\n    if x:\n      import httpx", True, id="deep-in-a-method"),
        pytest.param("if TYPE_CHECKING:\n  import httpx", True, id="for-types-only"),
    ],
)
def test_late_is_told_from_early(source: str, late: bool) -> None:
    [found] = imports_of("providers/client.py", source)
    assert found.late is late
