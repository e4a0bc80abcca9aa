"""Policies that a page brings along in its own markup: `<meta http-equiv="Content-Security-Policy">`.

They are in force for what follows them, and unlike those of headers nobody but the page can change them. Browsers heed
them in the head only (HTML 4.2.5.3, "Content security policy state"). Where it is not certain that one would be heeded,
in a template, say, it counts: a snippet that is left out is better than one that the browser blocks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from portal_gateway.html.csp import Policies, Policy
from portal_gateway.html.elements import RAW_TEXT
from portal_gateway.html.tags import TAG, parse_attributes

# How much of a page is remembered; a policy behind so many bytes is not found. Heads are a few kilobytes long.
MAX_HEAD = 128 * 1024

_NAME = "content-security-policy"
# Without meaning in a meta element (CSP Level 3 section 3.3).
_HEADER_ONLY = frozenset(("frame-ancestors", "report-uri", "sandbox"))
# Elements in which markup is text. Not noscript: browsers without scripts do read the policies in it.
_RAW = (RAW_TEXT | {b"script"}) - {b"noscript"}
_TAG_START = re.compile(rb"</?[a-zA-Z]")
_COMMENT_END = re.compile(rb"--!?>")


class PageHead:
    """Remembers the beginning of a page that passes in pieces, until somebody asks for its policies."""

    def __init__(self) -> None:
        self._kept: list[bytes] = []
        self._left = MAX_HEAD

    def add(self, data: bytes) -> None:
        if self._left > 0:
            self._kept.append(data[: self._left])
            self._left -= len(data)

    def policies(self) -> Policies:
        return meta_policies(b"".join(self._kept))


def may_have_policies(page: bytes) -> bool:
    """Whether there is anything in `page` for `meta_policies` to look at."""
    return _NAME.encode() in page[:MAX_HEAD].lower()


def meta_policies(page: bytes) -> Policies:
    """The policies that are in force behind `page`, the beginning of a page."""
    if not may_have_policies(page):
        return Policies()
    contents = (
        attributes.get("content", "")
        for attributes in _metas(page)
        if attributes.get("http-equiv", "").strip().lower() == _NAME
    )
    # The text is one policy to the standard; browsers have been seen to split it at commas like a header.
    texts = (text for content in contents for text in dict.fromkeys((content, *content.split(","))))
    return Policies(tuple(policy for policy in map(_parse, texts) if policy.directives))


def _parse(text: str) -> Policy:
    directives = Policy.parse(text).directives
    return Policy({name: sources for name, sources in directives.items() if name not in _HEADER_ONLY})


def _metas(page: bytes) -> Iterator[dict[str, str]]:
    """The attributes of the meta elements before the body. What is left unfinished hides all that follows."""
    start = page.find(b"<")
    while start >= 0:
        end = start + 1
        if page.startswith(b"<!--", start):
            end = _comment_end(page, start)
        elif tag := TAG.match(page, start):
            end = tag.end()
            name = b"" if tag[1] else tag[2].lower()
            if name == b"body":
                return
            if name == b"meta":
                yield parse_attributes(tag[3])
            elif name in _RAW:
                end = _raw_end(page, end, name)
        elif _TAG_START.match(page, start):
            return
        start = page.find(b"<", end)


def _comment_end(page: bytes, start: int) -> int:
    match = _COMMENT_END.search(page, start + 2)  # <!--> is one as well
    return match.end() if match else len(page)


def _raw_end(page: bytes, start: int, name: bytes) -> int:
    match = re.compile(rb"</" + name + rb"[\t\n\f\r />]", re.IGNORECASE).search(page, start)
    return match.start() if match else len(page)
