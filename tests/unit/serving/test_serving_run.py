from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Iterator

import pytest

from portal_gateway.serving.run import configure_logging


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Configures logging when it is called, as in a process of its own."""
    root = logging.getLogger()
    level = root.level

    # As in a process where uvicorn has not configured its loggers, which it does for other tests.
    for name in ("uvicorn", "uvicorn.error"):
        logger = logging.getLogger(name)
        monkeypatch.setattr(logger, "propagate", True)
        monkeypatch.setattr(logger, "handlers", [])
        logger.setLevel(logging.NOTSET)

    def configure() -> None:
        monkeypatch.setattr(root, "handlers", [])  # those of pytest come when the test begins
        configure_logging()

    yield configure
    root.setLevel(level)
    logging.getLogger("uvicorn.error").filters.clear()
    for name in ("httpx", "uvicorn"):
        logging.getLogger(name).setLevel(logging.NOTSET)


def test_messages_go_to_stderr_and_urls_nowhere(
    configured: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> None:
    configured()
    logging.getLogger("portal_gateway.serve").info("said")
    logging.getLogger("httpx").info("GET https://vendor.example/?token=secret")
    out, errors = capsys.readouterr()
    assert out == ""
    assert errors.endswith("INFO portal_gateway.serve: said\n")
    assert "secret" not in errors


def test_a_request_that_a_stop_cuts_off_leaves_no_stack_trace(
    configured: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> None:
    configured()
    server = logging.getLogger("uvicorn.error")
    for error in (asyncio.CancelledError(), ValueError("broken")):
        try:
            raise error
        except BaseException:
            server.error("Exception in ASGI application", exc_info=sys.exc_info())
    errors = capsys.readouterr().err
    assert "CancelledError" not in errors
    assert "ValueError: broken" in errors
