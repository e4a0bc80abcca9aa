"""The format of html5lib's tree-construction tests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class TreeCase:
    """One case of html5lib's tree-construction tests: the input, and the tree as indented lines."""

    name: str
    data: bytes
    document: str


def read_cases(path: Path) -> Iterator[TreeCase]:
    blocks = path.read_bytes().split(b"#data\n")[1:]
    for number, block in enumerate(blocks):
        # An empty input has no line feed of its own before "#errors".
        data, _, rest = (b"\n" + block).partition(b"\n#errors\n")
        data = data[1:]
        if b"#document-fragment" in rest or b"#script-off" in rest:
            continue
        document = rest.partition(b"#document\n")[2].rstrip(b"\n").decode("utf-8", "surrogatepass")
        yield TreeCase(f"{path.stem}-{number}", data, document)
