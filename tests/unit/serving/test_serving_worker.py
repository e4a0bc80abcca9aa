from __future__ import annotations

import logging
from pathlib import Path

import pytest
from access_log_kit import LogFile

from portal_gateway.listening import listen
from portal_gateway.observe.access_log import AccessLog
from portal_gateway.observe.scoreboard import Entry, Scoreboard
from portal_gateway.serving.service import Service
from portal_gateway.serving.worker import Worker

CONFIG = """\
upstream: http://127.0.0.1:9
identity: [{source: whoami, path: /me, fields: {id: id}}]
portals: {success: {provider: planhat, api_token: {env: TOKEN}}}
"""


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Service:
    monkeypatch.setenv("TOKEN", "t")
    path = tmp_path / "gateway.yaml"
    path.write_text(CONFIG)
    return Service(str(path), None)


def worker(service: Service, board: Scoreboard, number: int = 0) -> Worker:
    with listen("127.0.0.1", 0) as listener:
        return Worker(service, listener, None, board, AccessLog(LogFile()), number)


def test_a_worker_goes_on_counting_where_the_one_before_it_ended(service: Service) -> None:
    board = Scoreboard(2)
    counted, gauge = {'{kind="app",status="2xx"}': 7.0}, {'{kind="app"}': 3.0}
    samples = {"portal_gateway_requests_total": counted, "portal_gateway_requests_in_flight": gauge}
    board.post(1, Entry(samples, ["upstream: away"]))
    worker(service, board, 1)._post()
    entry = board.read(1)
    assert entry.samples["portal_gateway_requests_total"] == counted
    assert entry.samples["portal_gateway_requests_in_flight"]['{kind="app"}'] == 0
    assert entry.troubles == []


def test_the_sum_is_of_all_and_says_each_trouble_once(service: Service) -> None:
    board = Scoreboard(3)
    for number in (1, 2):
        board.post(number, Entry({"portal_gateway_reloads_total": {'{outcome="done"}': 2}}, ["upstream: away"]))
    entry = worker(service, board)._entry_of_all()
    assert entry.samples["portal_gateway_reloads_total"] == {'{outcome="done"}': 4}
    assert entry.troubles == ["upstream: away"]


def test_a_worker_without_figures_does_not_look_hung(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    board = Scoreboard(1)
    found = worker(service, board)
    monkeypatch.setattr(found, "_entry", lambda: 1 / 0)
    with caplog.at_level(logging.ERROR):
        found._post()
    assert board.posted_at(0) > 0
    assert "worker 0 has no figures" in caplog.text
