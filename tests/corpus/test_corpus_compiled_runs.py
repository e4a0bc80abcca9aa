"""Real pages, html5lib's cases, and mutations of both: a run of the C extension changes what all its tokens would."""

from __future__ import annotations

import random

import pytest
from page_mutations import mutated_page
from real_pages import RealPage
from tree_construction import TreeCase
from tree_states import check, check_resumed

pytestmark = pytest.mark.corpus

START = b"<!doctype html><html><head></head><body>"
MUTATED = 3000


def test_real_pages_leave_the_same_state(real_pages: list[RealPage]) -> None:
    chance = random.Random(13)
    read = total = 0
    for page in real_pages[::4]:
        read += check(page.data, len(page.data))
        check_resumed(page.data, chance.randrange(len(page.data)))
        total += len(page.data)
    assert read > total / 4


def test_cases_and_mutations_leave_the_same_state(tree_cases: list[TreeCase], real_pages: list[RealPage]) -> None:
    chance = random.Random(17)
    cases = [case.data for case in tree_cases]
    real = [page.data[at : at + 4000] for page in real_pages for at in (chance.randrange(len(page.data)),)]
    mutated = [mutated_page(chance, chance.choice((cases, real))) for _ in range(MUTATED)]
    for page in (*cases, *mutated):
        check(page, len(page))
        check(START + page, len(START + page))
        check_resumed(START + page, chance.randrange(len(START + page)))
