"""What holds for every test there is."""

from __future__ import annotations

import faulthandler

import pytest

from portal_gateway.http11 import cycle

END_S = 60


def pytest_report_header() -> str:
    """Which of the two it is that is tested: `make test` tests both."""
    return f"portal_gateway: {'compiled' if cycle.__file__.endswith('.so') else 'interpreted'}"


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """A thread that a test left behind would keep the process from ending, after a summary in which all is well.

    So the process ends all the same, as a failure, and says where its threads are.
    """
    faulthandler.dump_traceback_later(END_S, exit=True)
