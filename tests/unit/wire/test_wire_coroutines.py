from __future__ import annotations

import inspect
from collections.abc import Coroutine
from typing import Any

import pytest

from portal_gateway.wire.coroutines import returns_coroutine


async def double(number: int) -> int:
    return 2 * number


class Doubling:
    @returns_coroutine
    def __call__(self, number: int, *, by: int = 0) -> Coroutine[Any, Any, int]:
        """Doubles."""
        if number < 0:
            raise ValueError(number)
        return double(number + by)


class Plain:
    def __call__(self, number: int) -> Coroutine[Any, Any, int]:
        return double(number)


def test_inspect_takes_it_for_a_coroutine_function() -> None:
    for call in (Doubling.__call__, Doubling().__call__):
        assert inspect.iscoroutinefunction(call)
    assert not inspect.iscoroutinefunction(Plain().__call__)


async def test_it_is_still_called_as_the_function_that_it_is() -> None:
    coroutine = Doubling()(3, by=1)
    assert inspect.iscoroutine(coroutine)
    assert coroutine.__name__ == "double"
    assert await coroutine == 8


def test_it_raises_at_once_and_keeps_its_name() -> None:
    with pytest.raises(ValueError, match="-1"):
        Doubling()(-1)
    assert (Doubling.__call__.__name__, Doubling.__call__.__doc__) == ("__call__", "Doubles.")
