from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal_gateway.providers.retry_after import MAX_S, MIN_S, retry_after_s

NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        pytest.param({}, None, id="not told"),
        pytest.param({"retry-after": "30"}, 30.0, id="seconds"),
        pytest.param({"retry-after": " 30 "}, 30.0, id="blanks around"),
        pytest.param({"retry-after": "0"}, MIN_S, id="zero is not a licence to hammer"),
        pytest.param({"retry-after": "86400"}, MAX_S, id="a day is capped"),
        pytest.param({"retry-after": "9" * 400}, None, id="absurd digits"),
        pytest.param({"retry-after": "-5"}, None, id="negative"),
        pytest.param({"retry-after": "inf"}, None, id="inf"),
        pytest.param({"retry-after": "nan"}, None, id="nan"),
        pytest.param({"retry-after": "1.5"}, None, id="fraction is not in the grammar"),
        pytest.param({"retry-after": "٣"}, None, id="digits of another script"),
        pytest.param({"retry-after": "Tue, 14 Nov 2023 22:14:20 GMT"}, 60.0, id="HTTP date"),
        pytest.param({"retry-after": "Tue, 14 Nov 2023 22:14:20 -0000"}, 60.0, id="date without zone"),
        pytest.param({"retry-after": "Tue, 14 Nov 2023 22:00:00 GMT"}, MIN_S, id="date in the past"),
        pytest.param({"retry-after": "soon"}, None, id="prose"),
        pytest.param({"x-retry-after": "1700000042000"}, 42.0, id="epoch milliseconds"),
        pytest.param({"x-retry-after": "1700000042000", "retry-after": "7"}, 42.0, id="Rocketlane's own wins"),
        pytest.param({"x-retry-after": "soon", "retry-after": "7"}, 7.0, id="unreadable own, readable standard"),
        pytest.param({"x-retry-after": "30"}, MIN_S, id="1970 is over"),
    ],
)
def test_when_to_call_again(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(headers, NOW) == seconds


def test_epoch_milliseconds_are_not_a_sleep_of_millennia() -> None:
    told = retry_after_s({"x-retry-after": "1700000042000"}, NOW)
    assert told is not None
    assert told < 60


@given(st.sampled_from(["retry-after", "x-retry-after"]), st.text(max_size=60))
def test_any_header_gives_a_sane_number_or_none(name: str, value: str) -> None:
    told = retry_after_s({name: value}, NOW)
    assert told is None or MIN_S <= told <= MAX_S
