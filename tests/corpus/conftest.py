"""Where the third-party test data is, and its format."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

DEFAULT = Path(__file__).resolve().parents[2] / ".." / "shared" / "corpora"


@dataclass(frozen=True)
class TreeCase:
    """One case of html5lib's tree-construction tests: the input, and the tree as indented lines."""

    name: str
    data: bytes
    document: str


def _read_cases(path: Path) -> Iterator[TreeCase]:
    blocks = path.read_bytes().split(b"#data\n")[1:]
    for number, block in enumerate(blocks):
        data, _, rest = block.partition(b"\n#errors\n")
        if not _:
            data, _, rest = block.partition(b"#errors\n")
        if b"#document-fragment" in rest or b"#script-off" in rest:
            continue
        document = rest.partition(b"#document\n")[2].rstrip(b"\n").decode("utf-8", "surrogatepass")
        yield TreeCase(f"{path.stem}-{number}", data, document)


@pytest.fixture(scope="session")
def tree_cases() -> list[TreeCase]:
    root = Path(os.environ.get("PORTAL_GATEWAY_CORPORA", DEFAULT)) / "html5lib-tests" / "tree-construction"
    if not root.is_dir():
        pytest.skip(f"html5lib-tests are not at {root}; set PORTAL_GATEWAY_CORPORA to run the corpus tests")
    cases = [case for path in sorted(root.glob("*.dat")) for case in _read_cases(path)]
    assert len(cases) > 1000
    return cases
