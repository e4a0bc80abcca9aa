"""What holds for every test there is."""

from __future__ import annotations

import faulthandler

import pytest

END_S = 60


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """A thread that a test left behind would keep the process from ending, after a summary in which all is well.

    So the process ends all the same, as a failure, and says where its threads are.
    """
    faulthandler.dump_traceback_later(END_S, exit=True)
