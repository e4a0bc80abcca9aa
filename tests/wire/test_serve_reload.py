"""Reloads under load: nobody notices, whether the new configuration is good or not."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from serve_kit import Load, config_for, running_upstream, serving, write_config


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_a_reload_under_load_fails_nobody(tmp_path: Path, workers: str) -> None:
    async with (
        running_upstream("old") as old,
        running_upstream("new") as new,
        serving(old, tmp_path, "--workers", workers) as served,
    ):
        load = Load(served.url)
        await load.more(20)
        for upstream in (new, old, new):
            write_config(served.config, config_for(upstream))
            reloads = (await served.metrics()).value("portal_gateway_reloads_total", outcome="done")
            served.process.process.send_signal(signal.SIGHUP)
            await served.until("reloads_total", lambda v, n=reloads: v == n + int(workers), outcome="done")
            await load.more(8)  # those that were under way
            seen = len(load.names)
            await load.more(8)
            assert set(load.names[seen:]) == {upstream.name}
        await load.stop()
        assert load.failures == []
        # What another worker has counted is told a second later.
        await served.until("requests_total", lambda value: value == len(load.names), kind="app", status="2xx")
        assert await served.process.stop() == 0
    assert "Traceback" not in served.process.log


async def test_a_file_that_is_not_good_changes_nothing_and_the_log_says_why(tmp_path: Path) -> None:
    async with running_upstream() as upstream, serving(upstream, tmp_path, "--workers", "2") as served:
        load = Load(served.url)
        await load.more(10)
        served.config.write_text(served.config.read_text() + "mistake: 1\n")
        served.process.process.send_signal(signal.SIGHUP)
        await served.process.printed(r"ERROR portal_gateway.serve: not reloaded, all stays as it was: .*gateway.yaml: ")
        assert "mistake" in served.process.log
        await load.more(10)
        await load.stop()
        assert load.failures == []
        # And a good one afterwards is taken.
        write_config(served.config, config_for(upstream))
        served.process.process.send_signal(signal.SIGHUP)
        await served.until("reloads_total", lambda value: value == 2, outcome="done")
        assert served.process.log.count("not reloaded") == 1


LOOK_OFTEN = {"watching.LOOK_S": 0.05, "supervisor.TICK_S": 0.05}


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_changes_are_taken_without_a_signal_if_that_is_wanted(tmp_path: Path, workers: str) -> None:
    async with (
        running_upstream("old") as old,
        running_upstream("new") as new,
        serving(old, tmp_path, "--workers", workers, "--watch", constants=LOOK_OFTEN) as served,
    ):
        load = Load(served.url)
        await load.more(20)
        for count, upstream in enumerate((new, old), 1):
            write_config(served.config, config_for(upstream))
            await served.until("reloads_total", lambda v, n=count: v == n * int(workers), outcome="done")
            await load.more(8)  # those that were under way
            seen = len(load.names)
            await load.more(8)
            assert set(load.names[seen:]) == {upstream.name}
        # A mistake changes nothing, and is said once.
        served.config.write_text("mistake: 1\n")
        await served.process.printed("not reloaded, all stays as it was")
        await load.more(20)
        assert served.process.log.count("not reloaded") == 1
        write_config(served.config, config_for(new))
        await served.until("reloads_total", lambda v: v == 3 * int(workers), outcome="done")
        await load.stop()
        assert load.failures == []
        assert await served.process.stop() == 0
    assert "Traceback" not in served.process.log


async def test_a_secret_in_a_file_is_taken_when_it_is_replaced(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("first")
    portal = {"provider": "planhat", "api_token": {"file": str(token)}}
    async with (
        running_upstream() as upstream,
        serving(upstream, tmp_path, "--watch", constants=LOOK_OFTEN, portals={"success": portal}) as served,
    ):
        (tmp_path / "token.new").write_text("second")
        (tmp_path / "token.new").replace(token)
        await served.until("reloads_total", lambda value: value == 1, outcome="done")


async def test_changes_wait_for_a_signal_otherwise(tmp_path: Path) -> None:
    async with (
        running_upstream("old") as old,
        running_upstream("new") as new,
        serving(old, tmp_path, "--workers", "2", constants=LOOK_OFTEN) as served,
    ):
        write_config(served.config, config_for(new))
        load = Load(served.url)
        await load.more(400)
        await load.stop()
        assert set(load.names) == {"old"}
