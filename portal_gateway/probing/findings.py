"""What was found out, for people to read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Finding:
    """`what` was tried, `told` is how it was answered, `meaning` what follows from it or has to be done."""

    level: Literal["ok", "note", "problem"]
    what: str
    told: str = ""
    meaning: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """All findings about one part of the configuration."""

    title: str
    findings: tuple[Finding, ...]


def described(section: Section) -> Iterator[str]:
    """The lines of a report."""
    yield section.title
    for finding in section.findings:
        yield f"  {finding.level:<7}  {finding.what}"
        yield from (f"           {line}" for line in (finding.told, finding.meaning) if line)


def problems(section: Section) -> int:
    return sum(finding.level == "problem" for finding in section.findings)
