"""Selectors compiled to bit masks: each compound of each chain is one bit, each open element carries the bits
that its descendants (`inherited`) and its children (`below`) are to be tried against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from portal_gateway.html.candidates import Candidates, candidates_of
from portal_gateway.html.selectors import Combinator, Compound, Selector
from portal_gateway.html.tags import Tag


class Position(StrEnum):
    APPEND = "append"
    PREPEND = "prepend"
    BEFORE = "before"
    AFTER = "after"
    REPLACE = "replace"


_ORDER = (Position.BEFORE, Position.REPLACE, Position.PREPEND, Position.APPEND, Position.AFTER)


@dataclass(frozen=True, slots=True)
class Target:
    """Where a snippet goes: at the first match of `selector`, or with `every` at each.

    `breaks_paragraph` says that the snippet starts a block (a div, a list): written inside a p it would end the
    p, so it is not put there. A link, a span and an iframe do not.
    """

    selector: Selector
    position: Position
    every: bool = False
    breaks_paragraph: bool = False


class Element(Tag):
    """A start tag that opened an element: what the tree rules and the selectors need to know of that.

    `open` says whether it is on the stack; `watchers` holds the targets whose place is its end.
    """

    __slots__ = ("below", "children", "inherited", "open", "watchers")

    def __init__(self, name: bytes, raw: bytes) -> None:
        # One for each element of a page: Tag.__init__ is written out.
        self.name = name
        self.end = False
        self.raw = raw
        self._attributes = None
        self.children = 0
        self.inherited = 0
        self.below = 0
        self.open = True
        self.watchers: list[tuple[int, Position]] = []


class CompiledTargets:
    """Targets digested once, then shared by all responses. Read-only after `__init__`."""

    __slots__ = (
        "_compounds",
        "_found",
        "_literals",
        "_next",
        "any_name",
        "by_name",
        "by_parent",
        "by_position",
        "candidates",
        "every",
        "first",
        "in_order",
        "leading",
        "only_body_end",
        "targets",
    )

    def __init__(self, targets: Sequence[Target]) -> None:
        self.targets = tuple(targets)
        self.every = (1 << len(self.targets)) - 1
        # Snippets at one place stand in this order, and their elements' watchers.
        self.in_order = sorted(range(len(self.targets)), key=lambda i: _ORDER.index(self.targets[i].position))
        self.only_body_end = bool(self.targets) and all(map(_is_body_end, self.targets))
        self.candidates: Candidates | None
        # The bits of the steps that begin a chain, and of those that do not end one.
        self.first = 0
        self.leading = 0
        self.any_name = 0
        self.by_name: dict[bytes, int] = {}
        self._compounds: list[Compound] = []
        self._literals: list[bytes] = []
        self._next: list[tuple[int, Combinator] | None] = []
        self._found: list[int] = []
        for index, target in enumerate(self.targets):
            for chain in target.selector.chains:
                self._add(chain, index)
        for name in self.by_name:
            self.by_name[name] |= self.any_name
        self.by_position = any(compound.positions for compound in self._compounds)
        self.by_parent = any(compound.combinator is Combinator.CHILD for compound in self._compounds)
        # What has no candidate may be skipped, unless children have to be counted.
        chains = [chain for target in self.targets for chain in target.selector.chains]
        self.candidates = None if self.by_position else candidates_of(chains)

    def _add(self, chain: tuple[Compound, ...], target: int) -> None:
        self.first |= 1 << len(self._compounds)
        for step, compound in enumerate(chain):
            bit = 1 << len(self._compounds)
            last = step == len(chain) - 1
            if not last:
                self.leading |= bit
            if compound.name is None:
                self.any_name |= bit
            else:
                name = compound.name.encode()
                self.by_name[name] = self.by_name.get(name, 0) | bit
            self._compounds.append(compound)
            self._literals.append(_literal(compound))
            self._next.append(None if last else (bit << 1, chain[step + 1].combinator))
            self._found.append(1 << target if last else 0)

    def enter(self, element: Element, parent: Element | None) -> int:
        """Give `element` its masks; the bits of the targets whose selector matches it."""
        if parent is None:
            inherited, active = 0, self.first
        else:
            inherited, active = parent.inherited, parent.below
        candidates = active & self.by_name.get(element.name, self.any_name)
        children_only = found = 0
        while candidates:
            bit = candidates & -candidates
            candidates ^= bit
            state = bit.bit_length() - 1
            literal = self._literals[state]
            if literal not in element.raw and b"&" not in element.raw:
                continue
            if not _accepts(self._compounds[state], element, parent):
                continue
            found |= self._found[state]
            following = self._next[state]
            if following is None:
                continue
            if following[1] is Combinator.CHILD:
                children_only |= following[0]
            else:
                inherited |= following[0]
        element.inherited = inherited
        element.below = self.first | inherited | children_only
        return found

    def sees(self, element: Element) -> bool:
        """Whether `element` could match any step of any chain, wherever it stood."""
        states = self.by_name.get(element.name, self.any_name)
        return any(_has_attributes(compound, element) for i, compound in enumerate(self._compounds) if states >> i & 1)

    def may_match(self, name: bytes, raw: bytes, parent: Element) -> bool:
        """Whether a child `name` of `parent` with the attributes `raw` could match any step of any chain."""
        candidates = parent.below & self.by_name.get(name, self.any_name)
        while candidates:
            bit = candidates & -candidates
            candidates ^= bit
            if self._literals[bit.bit_length() - 1] in raw or b"&" in raw:
                return True
        return False


class Matches:
    """What has matched so far on one page: an object of its own, so that a finished page leaves no cycle behind."""

    __slots__ = ("compiled", "found", "unmatched")

    def __init__(self, compiled: CompiledTargets) -> None:
        self.compiled = compiled
        # The targets that still look for a match, as bits.
        self.unmatched = compiled.every
        # The elements that the current token opened and that matched: element, targets as bits, implied or not.
        self.found: list[tuple[Element, int, bool]] = []

    def enter(self, element: Element, parent: Element | None, implied: bool) -> None:
        bits = self.compiled.enter(element, parent) & self.unmatched
        if bits:
            self.found.append((element, bits, implied))

    def pass_by(self, element: Element, parent: Element) -> None:
        """Enter an element that is known not to match; it may still lead to a match."""
        compiled = self.compiled
        if parent.below & compiled.by_name.get(element.name, compiled.any_name) & compiled.leading:
            compiled.enter(element, parent)
        else:
            element.inherited = parent.inherited
            element.below = compiled.first | parent.inherited

    def overlook(self, moved: Sequence[Element], block: Element) -> bool:
        """Whether it makes no difference to any selector when `moved` are taken away from around `block`, and are put
        into it, around its content."""
        compiled = self.compiled
        if compiled.by_position or (compiled.by_parent and compiled.sees(block)):
            return False
        return not any(map(compiled.sees, moved))

    def add_attributes(self, element: Element, parent: Element | None, tag: Tag) -> bool:
        """Give `element` those attributes of `tag` that it lacks. Whether that makes no difference to any selector:
        what stands in the element has been matched already, or been passed over."""
        before = (self.compiled.enter(element, parent), element.inherited, element.below)
        element.add_attributes(tag.raw)
        return before == (self.compiled.enter(element, parent), element.inherited, element.below)


def _is_body_end(target: Target) -> bool:
    return target.position is Position.APPEND and target.selector.chains == ((Compound("body"),),)


def compile_targets(targets: Sequence[Target]) -> CompiledTargets:
    return CompiledTargets(targets)


def _literal(compound: Compound) -> bytes:
    """Bytes that a tag must hold, unless it spells them as character references; empty if there are none sure."""
    values = [t.value for t in compound.attributes if not t.ignore_case and t.value.isascii() and t.value.isprintable()]
    return max(values, key=len, default="").encode()


def _accepts(compound: Compound, element: Element, parent: Element | None) -> bool:
    if compound.attributes and not _has_attributes(compound, element):
        return False
    if not compound.positions:
        return True
    index = parent.children if parent else 1
    return all(position.accepts(index) for position in compound.positions)


def _has_attributes(compound: Compound, element: Element) -> bool:
    attributes = element.attributes
    for test in compound.attributes:
        actual = attributes.get(test.name)
        if actual is None or not test.accepts(actual):
            return False
    return True
