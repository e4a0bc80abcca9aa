from __future__ import annotations

from email.utils import formatdate
from types import SimpleNamespace
from typing import Any

import pytest

from portal_gateway.fetching import Fetched
from portal_gateway.probing import calls
from portal_gateway.probing.calls import Api, Told
from portal_gateway.probing.common import MAX_SKEW_S, clock_finding, trouble


def told(body: bytes = b"true", status: int = 200, **headers: str) -> Told:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Told(Fetched(status, raw, body, 0.1432))


def test_what_is_told_of_an_answer() -> None:
    answer = told(
        b'{"access": true}', content_type="application/json; charset=utf-8", set_cookie="s=1", x_request_id="7"
    )
    assert str(answer) == '200, application/json, 143 ms, {"access": boolean}'
    assert answer.brief() == "200, application/json, 143 ms"
    assert answer.value == {"access": True}
    assert str(told(status=204, body=b"")) == "204, no Content-Type, 143 ms, empty"


def test_limits_are_told_with_their_numbers() -> None:
    answer = told(x_rate_limit_limit="200", x_ratelimit_remaining="12", ratelimit="limit=10;w=60", retry_after="30")
    assert str(answer).endswith(
        "x-rate-limit-limit: 200, x-ratelimit-remaining: 12, ratelimit: limit=10;w=60, retry-after: 30"
    )


def test_a_limit_that_is_something_else_is_not_told() -> None:
    assert "rate" not in str(told(x_rate_limit_user="jane@vance.example"))


def test_no_answer() -> None:
    nothing = Told(None, "no answer: Connection refused")
    assert str(nothing) == nothing.brief() == nothing.framing() == "no answer: Connection refused"
    assert (nothing.status, nothing.body, nothing.value, nothing.clock_skew_s()) == (0, b"", None, None)


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        pytest.param({}, "neither frame-ancestors nor X-Frame-Options", id="nothing"),
        pytest.param({"x_frame_options": "DENY"}, "X-Frame-Options: DENY", id="options"),
        pytest.param(
            {"content_security_policy": "default-src 'self'; Frame-Ancestors 'none'"},
            "Frame-Ancestors 'none'",
            id="csp",
        ),
    ],
)
def test_what_is_said_about_being_framed(headers: dict[str, str], said: str) -> None:
    assert told(**headers).framing() == f"200, {said}"


@pytest.mark.parametrize(
    ("ahead_s", "level"), [(0, None), (MAX_SKEW_S - 2, None), (MAX_SKEW_S + 5, "problem"), (-MAX_SKEW_S - 5, "problem")]
)
def test_a_clock_that_is_wrong(ahead_s: float, level: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "time", SimpleNamespace(time=lambda: 1_700_000_000.0 + ahead_s))
    answer = told(date=formatdate(1_700_000_000, usegmt=True))
    found = list(clock_finding(answer, "tokens fail", decides=True))
    assert [finding.level for finding in found] == ([level] if level else [])
    if found:
        assert ("ahead of" if ahead_s > 0 else "behind") in found[0].what


@pytest.mark.parametrize("date", ["", "yesterday"])
def test_a_date_that_is_none(date: str) -> None:
    assert told(date=date).clock_skew_s() is None


@pytest.mark.parametrize("status", [0, 301, 400, 401, 403, 404, 429, 500, 503])
def test_every_trouble_says_what_to_do(status: int) -> None:
    answer = told(status=status) if status else Told(None, "no answer: time-out")
    found = trouble("list", answer, "check api_token (env T)")
    assert found is not None
    assert (found.level, found.what, found.told) == ("problem", "list", str(answer))
    assert "check api_token (env T)" in found.meaning or "try again" in found.meaning


def test_no_trouble() -> None:
    assert trouble("list", told(), "remedy") is None


def test_a_call_that_fails_shows_neither_url_nor_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []

    def fetch(url: str, headers: Any, **limits: Any) -> Fetched:
        sent.append((url, dict(headers)))
        raise calls.FetchFailed("time-out")

    monkeypatch.setattr(calls, "fetch", fetch)
    api = Api("https://api.example/v1", {"authorization": "Bearer secret"}, 5)
    assert str(api.get("/endusers", {"email": "a+b@c.d"}, authorization="Bearer other")) == "no answer: time-out"
    [(url, headers)] = sent
    assert url == "https://api.example/v1/endusers?email=a%2Bb%40c.d"
    assert headers[b"authorization"] == b"Bearer other"
