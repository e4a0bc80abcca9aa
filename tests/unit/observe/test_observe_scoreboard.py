from __future__ import annotations

import os
import time

import pytest

from portal_gateway.observe import scoreboard
from portal_gateway.observe.scoreboard import ENTRY_BYTES, Entry, Scoreboard

ENTRY = Entry({"requests_total": {'{kind="app"}': 3.0}}, ["upstream: away"])


def test_each_worker_has_a_place_of_its_own() -> None:
    board = Scoreboard(3)
    board.post(1, ENTRY)
    assert [board.read(number) for number in range(3)] == [Entry(), ENTRY, Entry()]
    board.post(1, Entry())
    assert board.read(1) == Entry()


def test_an_entry_is_seen_by_other_processes() -> None:
    board = Scoreboard(2)
    child = os.fork()
    if child == 0:
        board.post(1, ENTRY)
        os._exit(0)
    os.waitpid(child, 0)
    assert board.read(1) == ENTRY


def test_when_a_worker_posted() -> None:
    board = Scoreboard(2)
    assert board.posted_at(0) == 0
    before = time.monotonic()
    board.post(0, ENTRY)
    assert before <= board.posted_at(0) <= time.monotonic()


def test_a_new_worker_starts_the_clock_and_leaves_the_figures() -> None:
    board = Scoreboard(1)
    board.post(0, ENTRY)
    before = time.monotonic()
    board.touch(0)
    assert board.posted_at(0) >= before
    assert board.read(0) == ENTRY


def test_an_entry_that_is_half_written_is_no_entry() -> None:
    board = Scoreboard(1)
    board.post(0, ENTRY)
    board._memory[scoreboard._HEAD.size + 5] ^= 1
    assert board.read(0) == Entry()


def test_an_entry_that_is_too_long_is_refused_and_harms_nobody() -> None:
    board = Scoreboard(2)
    board.post(0, ENTRY)
    board.post(1, ENTRY)
    with pytest.raises(ValueError, match="an entry of"):
        board.post(0, Entry(troubles=["x" * ENTRY_BYTES]))
    assert [board.read(0), board.read(1)] == [ENTRY, ENTRY]
