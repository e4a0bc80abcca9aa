from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pytest

from bench.report import Goal, Table

ROWS = [
    {"case": "fast", "ratio": 0.96, "must reach": 0.95},
    {"case": "slow", "ratio": 0.5, "must reach": 0.7},
    {"case": "as it is", "ratio": 0.1, "must reach": None},
]


def test_a_missed_goal_is_said_and_one_that_was_not_set_is_none() -> None:
    verdict = Table("T", ROWS, goal=Goal("ratio")).verdict()
    assert verdict == "Goals: 1 of 2 reached. **Missed:** slow (0.5, due 0.7)."


def test_less_can_be_better() -> None:
    rows = [{"call": "peek", "us": 3.6, "must reach us": 5.0}, {"call": "decide", "us": 6.0, "must reach us": 5.0}]
    verdict = Table("T", rows, goal=Goal("us", "must reach us", at_least=False)).verdict()
    assert verdict == "Goals: 1 of 2 reached. **Missed:** decide (6, due 5)."


@pytest.mark.parametrize("goal", [None, Goal("ratio")])
def test_without_goals_there_is_nothing_to_say(goal: Goal | None) -> None:
    assert Table("T", ROWS[2:], goal=goal).verdict() == ""
    assert Table("T", ROWS[:1], goal=Goal("ratio")).verdict() == "Goals: 1 of 1 reached. None missed."


@pytest.mark.parametrize("goal", [None, Goal("ratio")])
def test_a_table_comes_back_from_its_file(goal: Goal | None) -> None:
    table = Table("T", ROWS, "A note.", goal)
    values: dict[str, Any] = json.loads(json.dumps(asdict(table)))
    assert Table.from_json(values) == table
    assert table.markdown().startswith("### T\n\n| case | ratio | must reach |\n| --- |")
