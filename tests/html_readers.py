"""The HTML engine with and without its C extension, of which tests that compare what they find run both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from portal_gateway.html import candidates, runs, speedups, tokenizer

READERS = ("compiled", "python")


@contextmanager
def reading_with(reader: str) -> Iterator[None]:
    assert speedups.COMPILED, "the C extension is not built: `make test` does it if there is a C compiler"
    if reader == "compiled":
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokenizer, "skip_run", runs.skip_run)
        patch.setattr(candidates, "find", bytes.find)
        patch.setattr(candidates, "find_tag", speedups.find_tag_by_expression)
        yield
