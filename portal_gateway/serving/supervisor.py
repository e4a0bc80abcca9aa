"""Several workers: forked from one process that is ready to serve, replaced when they die, stopped together.

The parent has no threads and no event loop, so that it can fork at any time, and sleeps in `sigwait`: all signals that
it knows are blocked, and none gets lost while another one is handled.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
import time
from collections.abc import Callable

from portal_gateway.observe.scoreboard import Scoreboard

logger = logging.getLogger("portal_gateway.serve")

# A worker that has not posted for so long does not answer anybody either; gunicorn waits as long.
HUNG_S = 30.0
# Workers that die at once are started again no faster than this; also how often hung ones are looked for.
TICK_S = 1.0
# Beyond the time that requests are given, for a worker to close its connections.
GRACE_S = 5.0

_STOP = (signal.SIGTERM, signal.SIGINT)
_SIGNALS = {*_STOP, signal.SIGHUP, signal.SIGCHLD, signal.SIGALRM}


class Supervisor:
    """`work` gets the worker's number and its lifeline: the end of a pipe that becomes readable when we are gone.

    `reload` says whether the configuration is good, `drain_s` how long requests may go on after a stop signal, and
    `stop_listening` closes our own copy of the listener then: no connection shall wait for workers that are leaving.
    `has_changed` is asked now and then whether the configuration should be loaded anew.
    """

    def __init__(
        self,
        work: Callable[[int, int], None],
        board: Scoreboard,
        *,
        reload: Callable[[], bool],
        drain_s: Callable[[], float],
        stop_listening: Callable[[], None],
        has_changed: Callable[[], bool] = lambda: False,
    ) -> None:
        self._work = work
        self._board = board
        self._reload = reload
        self._drain_s = drain_s
        self._stop_listening = stop_listening
        self._has_changed = has_changed
        self._numbers: dict[int, int] = {}  # by pid
        self._missing: set[int] = set()
        self._kill_at: float | None = None
        self._lifeline, self._our_end = os.pipe()

    def run(self) -> None:
        """Until a signal says stop and all workers have ended."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        signal.setitimer(signal.ITIMER_REAL, TICK_S, TICK_S)
        gc.collect()
        gc.freeze()  # so that no collection in a worker writes to pages that it shares with us
        for number in range(self._board.workers):
            self._start(number)
        while self._numbers or self._kill_at is None:
            self._handle(signal.sigwait(_SIGNALS))

    def _handle(self, number: int) -> None:
        if number == signal.SIGCHLD:
            self._reap()
        elif number == signal.SIGALRM:
            self._look_after()
        elif number == signal.SIGHUP:
            self._hang_up()
        else:
            self._kill_at = self._kill_at or time.monotonic() + self._drain_s() + GRACE_S
            self._stop_listening()
            self._send(signal.SIGTERM)

    def _hang_up(self) -> None:
        if self._reload():
            self._send(signal.SIGHUP)

    def _start(self, number: int) -> None:
        self._board.touch(number)
        pid = os.fork()
        if pid == 0:
            self._become(number)
        self._numbers[pid] = number

    def _become(self, number: int) -> None:
        """The life of a worker process; it does not return."""
        status = 1
        try:
            os.close(self._our_end)
            self._work(number, self._lifeline)
            status = 0
        except BaseException:
            logger.exception("worker %d failed", number)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    def _reap(self) -> None:
        while self._numbers:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            number = self._numbers.pop(pid)
            if self._kill_at is None:
                logger.error("worker %d (process %d) ended %s; another takes its place", number, pid, _how(status))
                self._missing.add(number)

    def _look_after(self) -> None:
        now = time.monotonic()
        if self._kill_at is None:
            missing, self._missing = self._missing, set()
            for number in missing:
                self._start(number)
            if self._has_changed():
                self._hang_up()
        for pid, number in self._numbers.items():
            if self._kill_at is not None and now > self._kill_at:
                os.kill(pid, signal.SIGKILL)
            elif now - self._board.posted_at(number) > HUNG_S:
                logger.error("worker %d (process %d) hangs; it is killed", number, pid)
                os.kill(pid, signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        for pid in self._numbers:
            os.kill(pid, number)


def _how(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return f"with status {code}" if code >= 0 else f"by {signal.Signals(-code).name}"
