"""Functions that return a coroutine without being coroutine functions.

Servers ask `iscoroutinefunction` of an app to tell ASGI 3 from ASGI 2 and from WSGI (uvicorn, hypercorn, asgiref).
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from types import FunctionType
from typing import Any, TypeVar

if sys.version_info >= (3, 12):
    returns_coroutine = inspect.markcoroutinefunction
else:
    _Function = TypeVar("_Function", bound=Callable[..., Any])

    def returns_coroutine(function: _Function) -> _Function:
        """Marks `function` as inspect.markcoroutinefunction does from Python 3.12 on. Here inspect knows a coroutine
        function by this flag alone, and the interpreter by an instruction that only `async def` compiles to."""
        assert isinstance(function, FunctionType)
        code = function.__code__
        function.__code__ = code.replace(co_flags=code.co_flags | inspect.CO_COROUTINE)
        return function
