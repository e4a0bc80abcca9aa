"""Tables: markdown for people, JSON beside it, both with the machine, its load and the versions."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bench.peers import node
from bench.result import Result
from portal_gateway import __version__
from portal_gateway.http11 import cycle

RESULTS = Path(__file__).parent / "results"

Cell = str | float | int | None

_PACKAGES = (
    "uvicorn",
    "uvloop",
    "httptools",
    "starlette",
    "httpx",
    "fastapi-proxy-lib",
    "python-lolhtml",
    "selectolax",
    "lxml",
    "beautifulsoup4",
)
_PROGRAMS = {
    "nginx": ("nginx", "-v"),
    "haproxy": ("haproxy", "-v"),
    "apache": ("apache2", "-v"),
    "caddy": ("caddy", "version"),
    "node": ("node", "--version"),
    "wrk": ("wrk", "-v"),
}
_VERSION = re.compile(r"\d+\.\d[\w.+-]*")


@dataclass(frozen=True)
class Goal:
    """What the project wants of the rows of a table: of the figure in column `figure`, the bound in column `bound`.

    Rows without a bound have no goal. `at_least` says on which side of the bound it is good.
    """

    figure: str
    bound: str = "must reach"
    at_least: bool = True


@dataclass(frozen=True)
class Table:
    title: str
    rows: Sequence[Mapping[str, Cell]]
    note: str = ""
    goal: Goal | None = None

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Table:
        goal = values.get("goal")
        return cls(**{**values, "goal": goal and Goal(**goal)})

    def markdown(self) -> str:
        columns = list(self.rows[0])
        lines = [columns, ["---"] * len(columns), *([_cell(row.get(c)) for c in columns] for row in self.rows)]
        table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        return "\n".join(
            [f"### {self.title}\n\n{table}\n", *(f"{text}\n" for text in (self.note, self.verdict()) if text)]
        )

    def verdict(self) -> str:
        """Which rows have missed their goal; empty for a table without goals."""
        goal = self.goal
        due = [] if goal is None else [row for row in self.rows if row.get(goal.bound) is not None]
        if goal is None or not due:
            return ""
        missed = [
            f"{next(iter(row.values()))} ({_cell(row[goal.figure])}, due {_cell(row[goal.bound])})"
            for row in due
            if not _reaches(row[goal.figure], row[goal.bound], goal.at_least)
        ]
        return f"Goals: {len(due) - len(missed)} of {len(due)} reached. " + (
            f"**Missed:** {'; '.join(missed)}." if missed else "None missed."
        )


def ratio_row(case: str, ours: Result, yardstick: Result, must: float | None, **more: Cell) -> dict[str, Cell]:
    """A row that compares CPU per request: 1 means as cheap as the yardstick, 2 half as expensive."""
    return {
        "case": case,
        "cpu us": ours.cpu_us,
        "yardstick us": yardstick.cpu_us,
        "ratio": round(ours.ratio(yardstick), 3),
        "must reach": must,
        **more,
    }


def machine() -> dict[str, str]:
    """Where and under which load this runs."""
    model = next((line.partition(":")[2].strip() for line in _cpuinfo() if line.startswith("model name")), "")
    return {
        "machine": f"{os.cpu_count()} x {model or platform.machine()}, {platform.system()} {platform.release()}",
        "commit": _commit(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "load average": " ".join(f"{load:.2f}" for load in os.getloadavg()),
        "at": datetime.now(UTC).isoformat(timespec="minutes"),
    }


def versions() -> dict[str, str]:
    how = "compiled" if cycle.__file__.endswith(".so") else "interpreted"
    found = {"portal-gateway": f"{__version__} {how}"}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    for program, command in _PROGRAMS.items():
        if match := _VERSION.search(_output(*command)):
            found[program] = match[0]
    return found | node.DEPENDENCIES


def publish(chapter: str, command: str, before: Mapping[str, str], tables: Sequence[Table]) -> None:
    """Print the tables and write them as JSON to the results folder. `before` is the machine at the start."""
    load = f"{before['load average']} before, {machine()['load average']} after"
    facts = {**before, "load average": load, "versions": ", ".join(f"{k} {v}" for k, v in versions().items())}
    content = {"chapter": chapter, "command": command, "facts": facts, "tables": [asdict(table) for table in tables]}
    print(markdown(content), flush=True)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{chapter}.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def markdown(content: Mapping[str, Any]) -> str:
    """A chapter of the documentation from what `publish` has written."""
    facts = "\n".join(f"- {name}: {value}" for name, value in content["facts"].items())
    tables = "\n".join(Table.from_json(table).markdown() for table in content["tables"])
    return f"## {content['chapter'].capitalize()}\n\n`{content['command']}`\n\n{facts}\n\n{tables}"


def _reaches(figure: Cell, bound: Cell, at_least: bool) -> bool:
    assert isinstance(figure, (int, float))
    assert isinstance(bound, (int, float))
    return figure >= bound if at_least else figure <= bound


def _commit() -> str:
    described = _output("git", "describe", "--always", "--dirty")
    return "unknown" if not described or described.startswith("fatal") else described


def _output(*command: str) -> str:
    """The first line that a program prints; empty without the program."""
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True)
    except FileNotFoundError:
        return ""
    return (done.stdout + done.stderr).split("\n", 1)[0]


def _cpuinfo() -> list[str]:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def _cell(value: Cell) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"
    return str(value)
