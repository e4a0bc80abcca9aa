"""Pages made from those of a corpus: pieces of several, with tags dropped, doubled, moved, renamed and put in."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

_TOKEN = re.compile(rb"<!--.*?-->|<[^<>]*>|[^<]+|<", re.DOTALL)
_NAME = re.compile(rb"</?([a-zA-Z][a-zA-Z0-9-]*)")
_NAMES = (
    b"a b i em nobr font code p div span ul ol li dl dd dt table caption colgroup col tbody tr td th select option "
    b"button form h1 h2 pre section main nav body html head title svg math template object ruby rt br hr img input "
    b"x-y address"
).split()
_ATTRIBUTES = (b"", b"", b"", b" class=x", b" id=zz", b" class='x y'", b" ID=zz CLASS=x", b" title=a/")

Tokens = list[bytes]


def mutated_page(chance: random.Random, corpus: Sequence[bytes]) -> bytes:
    tokens: Tokens = []
    for _ in range(chance.choice((1, 1, 2, 3))):
        found = _TOKEN.findall(chance.choice(corpus))
        start = chance.randrange(len(found) + 1) if chance.random() < 0.3 else 0
        tokens[chance.randrange(len(tokens) + 1) :] += found[start : start + 40]
    for _ in range(chance.randrange(8)):
        chance.choice(_MUTATIONS)(chance, tokens)
    doctype = b"<!doctype html>" if chance.random() < 0.5 else b""
    body = b"<body>x" if chance.random() < 0.4 else b""
    return doctype + body + b"".join(tokens)


def selectors_for(chance: random.Random, page: bytes) -> list[str]:
    """Some that may well match."""
    names = sorted({name.lower().decode() for name in _NAME.findall(page)}) or ["p"]
    first, second = chance.choice(names), chance.choice(names)
    return [first, f"{second} {first}", f"{second} > {first}", ".x", "#zz", f".x {first}", f"{first}:nth-child(2)"]


def cut(chance: random.Random, page: bytes) -> list[bytes]:
    ends = sorted(chance.randrange(len(page) + 1) for _ in range(chance.choice((1, 2, 5, len(page)))))
    return [page[a:b] for a, b in zip([0, *ends], [*ends, len(page)], strict=True)]


def _tag(chance: random.Random) -> bytes:
    name = chance.choice(_NAMES)
    return b"</" + name + b">" if chance.random() < 0.4 else b"<" + name + chance.choice(_ATTRIBUTES) + b">"


def _put_in(chance: random.Random, tokens: Tokens) -> None:
    tokens.insert(chance.randrange(len(tokens) + 1), _tag(chance) if chance.random() < 0.8 else b"text ")


def _drop(chance: random.Random, tokens: Tokens) -> None:
    if tokens:
        del tokens[chance.randrange(len(tokens))]


def _double(chance: random.Random, tokens: Tokens) -> None:
    if tokens:
        start = chance.randrange(len(tokens))
        tokens[start:start] = tokens[start : start + chance.randrange(1, 4)]


def _move(chance: random.Random, tokens: Tokens) -> None:
    if tokens:
        token = tokens.pop(chance.randrange(len(tokens)))
        tokens.insert(chance.randrange(len(tokens) + 1), token)


def _rename(chance: random.Random, tokens: Tokens) -> None:
    if tokens:
        index = chance.randrange(len(tokens))
        name = chance.choice(_NAMES)
        tokens[index] = _NAME.sub(lambda match: match[0].removesuffix(match[1]) + name, tokens[index], count=1)


def _wrap(chance: random.Random, tokens: Tokens) -> None:
    name = chance.choice(_NAMES)
    start = chance.randrange(len(tokens) + 1)
    end = chance.randrange(start, len(tokens) + 1)
    tokens[start:end] = [b"<" + name + chance.choice(_ATTRIBUTES) + b">", *tokens[start:end], b"</" + name + b">"]


_MUTATIONS: tuple[Callable[[random.Random, Tokens], None], ...] = (
    _put_in,
    _put_in,
    _drop,
    _double,
    _move,
    _rename,
    _wrap,
)
