from __future__ import annotations

from pathlib import Path

import pytest

from portal_gateway.observe import process


def test_memory_grows_with_what_is_held() -> None:
    before = process.memory_bytes()
    held = bytearray(b"x" * 50_000_000)
    assert process.memory_bytes() - before > 40_000_000
    del held


def test_memory_where_there_is_no_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_STATM", Path("/no/such/file"))
    assert 10_000_000 < process.memory_bytes() < 10_000_000_000


def test_cpu_time_only_grows() -> None:
    before = process.cpu_seconds()
    sum(range(2_000_000))
    assert process.cpu_seconds() >= before > 0
