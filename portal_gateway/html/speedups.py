"""The C extension where it was built, and what stands in for it where it was not: slower, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

COMPILED: bool
# Where a word stands next in some bytes, from an offset on; -1 if it does not.
find: Callable[[bytes, bytes, int], int]
# The same for a start or end tag whose name begins so: a name in lower case, which the tag may write in any.
find_tag: Callable[[bytes, bytes, int], int]
# The page with the snippet at an offset, in one copy.
insert: Callable[[bytes, int, bytes], bytes]


def find_tag_by_expression(buffer: bytes, name: bytes, position: int) -> int:
    match = _tag(name).search(buffer, position)
    return match.start() if match else -1


@cache
def _tag(name: bytes) -> re.Pattern[bytes]:
    return re.compile(rb"</?" + re.escape(name), re.IGNORECASE)


def insert_by_join(page: bytes, position: int, snippet: bytes) -> bytes:
    view = memoryview(page)
    return b"".join((view[:position], snippet, view[position:]))


try:
    from portal_gateway.html._compiled import find, find_tag, insert
except ImportError:
    COMPILED, find, find_tag, insert = False, bytes.find, find_tag_by_expression, insert_by_join
else:
    COMPILED = True
