"""The C part of the HTML engine reads and writes where it may, whatever it is given; and compiles without a warning."""

from __future__ import annotations

import random
import shutil
import subprocess
from pathlib import Path

import pytest
from test_html_candidate_first import random_page

SOURCES = Path(__file__).parents[3] / "portal_gateway" / "html" / "c"
HARNESS = Path(__file__).with_name("runs_harness.c")
STRICT = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-Wpedantic", "-Wconversion", "-Wshadow", "-Wstrict-prototypes"]
SANITIZERS = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
TURNS = (
    b"<",
    b">",
    b"</",
    b"/>",
    b'"',
    b"'",
    b"=",
    b"<!--",
    b"-->",
    b"</script>",
    b"<svg>",
    b"<table>",
    b"\0",
    b"\xff",
)


@pytest.fixture(scope="module")
def compiler() -> str:
    found = shutil.which("gcc") or shutil.which("cc")
    assert found, "no C compiler: tests/system_packages.sh installs gcc"
    return found


def test_compiles_without_a_warning(compiler: str, tmp_path: Path) -> None:
    for name in ("find.c", "names.c", "runs.c", "tags.c"):
        command = [compiler, *STRICT, "-O2", "-c", str(SOURCES / name), "-o", str(tmp_path / "object.o")]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr


def _cases(chance: random.Random) -> list[bytes]:
    """Every beginning of some pages, deep ones, and many that are cut, doubled and spoilt."""
    page = b"<!doctype html><html a='1'><head><title>a</title></head><body><!-- --!><svg><a/></svg><script>x</script>"
    cases = [page[:end] for end in range(len(page) + 1)]
    for name in (b"div", b"b", b"a", b"svg", b"table", b"table><tr><td", b"ul><li", b"select><option", b"p><button"):
        cases += [b"<" + name + b">" * repeats for repeats in (1, 2)]
        cases += [(b"<" + name + b">") * repeats for repeats in (170, 511, 512, 513, 2000)]
    for _ in range(1500):
        data = bytearray(random_page(chance))
        for _ in range(chance.randrange(6)):
            at = chance.randrange(len(data) + 1)
            data[at : at + chance.choice((0, 0, 1, 20))] = chance.choice(TURNS)
        cases.append(bytes(data[: chance.choice((len(data), chance.randrange(len(data) + 1)))]))
    return cases


def test_stays_within_its_memory(compiler: str, tmp_path: Path) -> None:
    program = tmp_path / "harness"
    sources = [str(SOURCES / name) for name in ("find.c", "names.c", "runs.c", "tags.c")]
    command = [compiler, *STRICT, *SANITIZERS, f"-I{SOURCES}", str(HARNESS), *sources, "-o", str(program)]
    built = subprocess.run(command, check=False, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    cases = _cases(random.Random(11))
    given = b"".join(len(case).to_bytes(4, "little") + case for case in cases)
    done = subprocess.run([program], input=given, check=False, capture_output=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, b"%d\n" % len(cases)), done.stderr.decode()
