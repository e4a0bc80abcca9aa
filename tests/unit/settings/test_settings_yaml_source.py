from __future__ import annotations

import time
from itertools import pairwise

import pytest
from settings_fakes import PLANHAT, Load, Problems


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", "portals: is required", id="empty"),
        pytest.param("# nothing\n---\n", "line 3: portals: is required", id="empty-document"),
        pytest.param("- a\n", "line 1: (top level): must be a mapping of keys to values", id="list"),
        pytest.param("text", "line 1: (top level): must be a mapping of keys to values", id="text"),
        pytest.param("\n3\n", "line 2: (top level): must be a mapping of keys to values", id="number"),
        pytest.param("a: 1\n\tb: 2\n", "line 2: (top level): not valid YAML: found character '\\t'", id="tab"),
        pytest.param("a: b\n c: d\n", "line 2: (top level): not valid YAML: mapping values are", id="indent"),
        pytest.param("a: [1\n", "line 2: (top level): not valid YAML: ", id="open-bracket"),
        pytest.param('a: "x\n', "line 2: (top level): not valid YAML: ", id="open-quote"),
        pytest.param("a: 1\n---\nb: 2\n", "line 2: (top level): not valid YAML: found another", id="documents"),
        pytest.param("a: x\nb: *a\n", "line 2: (top level): not valid YAML: aliases are not supported", id="alias"),
        pytest.param("a: &a [*a]\n", "line 1: (top level): not valid YAML: aliases are not", id="own-alias"),
        pytest.param("? [a]\n: b\n", "line 1: (top level): not valid YAML: found unhashable key", id="list-as-key"),
        pytest.param("a: !!set {b}\nx: !foo 3\n", "line 2: (top level): not valid YAML: tags are", id="tag"),
        pytest.param(
            "a: !!python/object/apply:os.system [x]\n", "line 1: (top level): not valid YAML: tags", id="object"
        ),
        pytest.param("a: b\nc: 2024-13-45\n", "line 2: (top level): not valid YAML: this value", id="no-such-day"),
        pytest.param("a: " + "9" * 5000, "line 1: (top level): not valid YAML: this value cannot", id="long-number"),
        pytest.param("a: b\n\n\x00", "line 3: (top level): not valid YAML: the character U+0000", id="control"),
        pytest.param(b"a: b\nc: \xff\n", "line 2: (top level): is not UTF-8 text", id="latin-1"),
        pytest.param("a: b".encode("utf-16"), "line 1: (top level): is not UTF-8 text", id="utf-16"),
        pytest.param("[" * 5000, "(top level): not valid YAML: nested too deeply", id="open-brackets"),
        pytest.param("a: " + "[" * 5000 + "]" * 5000, "(top level): not valid YAML: nested too deeply", id="deep"),
        pytest.param("a: " + "{a: " * 5000, "(top level): not valid YAML: nested too deeply", id="deep-mapping"),
        pytest.param("#" * (1024 * 1024 + 1), "(top level): is larger than 1048576 bytes", id="huge"),
    ],
)
def test_files_that_are_not_plain_yaml(problems: Problems, text: str | bytes, expected: str) -> None:
    assert any(problem.startswith(expected) for problem in problems(text))


def test_an_alias_bomb_costs_nothing(problems: Problems) -> None:
    names = "abcdefghijklmnop"
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n" for old, new in pairwise(names)
    )
    began = time.process_time()
    assert len(problems(bomb)) == 1
    assert time.process_time() - began < 5  # expanded, it has 9 ** 16 items


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("\ufeff" + PLANHAT, id="byte-order-mark"),
        pytest.param(PLANHAT.replace("\n", "\r\n") + "mount_path: /p\r\n", id="crlf"),
        pytest.param("%YAML 1.1\n---\n" + PLANHAT, id="directive"),
        pytest.param(
            "portals: &unused\n  success: {provider: planhat, api_token: {env: PLANHAT_API_TOKEN}}", id="anchor"
        ),
    ],
)
def test_other_ways_to_write_the_same(load: Load, text: str) -> None:
    assert list(load(text).portals) == ["success"]


def test_lines_count_with_crlf(problems: Problems) -> None:
    [problem] = problems(PLANHAT.replace("\n", "\r\n") + "\r\nbad: 1\r\n")
    assert problem.startswith("line 3: bad: unknown key")


def test_nothing_is_merged(problems: Problems) -> None:
    [problem] = problems(PLANHAT + "<<: {mount_path: /x}\n")
    assert problem.startswith("line 2: <<: unknown key")


def test_of_two_keys_the_last_is_checked_and_both_are_named(problems: Problems) -> None:
    assert problems(PLANHAT + "mount_path: 7\nmount_path: 8\n") == [
        "line 3: mount_path: written twice; keep one",
        "line 3: mount_path: must be a text; put a number, date or yes and no in quotes if they are meant as text",
    ]
