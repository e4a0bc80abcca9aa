"""The state of the tree rules behind a run of the C extension, against that behind every token of the same bytes."""

from __future__ import annotations

from portal_gateway.html.compiled_runs import skip_run
from portal_gateway.html.matching import Element, Matches, Position, Target, compile_targets
from portal_gateway.html.selectors import parse_selector
from portal_gateway.html.tokenizer import PageScanner
from portal_gateway.html.tree import MARKER
from portal_gateway.html.tree_rules import TreeRules

NEVER = compile_targets([Target(parse_selector("no-such :first-child"), Position.APPEND)])


def state(tree: TreeRules) -> dict[str, object]:
    def described(element: Element | None) -> object:
        return element and (element.name, element.attributes, element.open, element is MARKER)

    return {
        "mode": tree.mode,
        "stack": [described(element) for element in tree.stack],
        "formatting": [(described(e), e in tree.stack) for e in tree.formatting],
        "head": described(tree.head),
        "form": described(tree.form),
        "quirks": tree.quirks,
        "frameset_ok": tree.frameset_ok,
        "paragraphs": tree.paragraphs,
        "opaque": (tree.opaque.active, tree.opaque.foreign, tree.opaque.templates),
    }


def read(page: bytes) -> PageScanner:
    """Token by token: a selector that counts children leaves nothing to be skipped."""
    scanner = PageScanner(NEVER, 1 << 20)
    scanner.feed(page)
    return scanner


def skipped(page: bytes, end: int) -> tuple[int, TreeRules]:
    """A page in one run after the other, from its beginning, until one gets nowhere."""
    tree = TreeRules(Matches(NEVER))
    position, following = -1, 0
    while position < following <= end:
        position, following = following, skip_run(tree, page, following, end)
    return max(position, following), tree


def check(page: bytes, end: int) -> int:
    position, tree = skipped(page, end)
    assert position <= len(page)
    expected = read(page[:position])
    assert expected.bail_reason is None, (page[:position], expected.bail_reason)
    assert state(tree) == state(expected._tree), page[:position]
    assert not expected._output.buffer[expected._output._cut :], page[:position]
    return position


def check_resumed(page: bytes, cut: int) -> None:
    """Read up to somewhere, and from there in a run."""
    scanner = read(page[:cut])
    tree, read_to = scanner._tree, cut - len(scanner._output.buffer) + scanner._output._cut
    if scanner.bail_reason or scanner._read is not PageScanner._read_data or tree.raw:
        return
    position = skip_run(tree, page, read_to, len(page))
    expected = read(page[:position])
    assert expected.bail_reason is None, (page[:cut], page[:position])
    assert state(tree) == state(expected._tree), (page[:cut], page[:position])
