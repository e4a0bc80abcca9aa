from __future__ import annotations

import ctypes
import platform

import pytest

from portal_gateway.proxy import allocator


class _Library:
    def __init__(self, result: int) -> None:
        self.calls: list[tuple[int, int]] = []
        library = self

        class Mallopt:
            argtypes: tuple[type, ...] = ()
            restype: type | None = None

            def __call__(self, *args: int) -> int:
                library.calls.append(args)  # type: ignore[arg-type]
                return result

        self.mallopt = Mallopt()


@pytest.fixture
def glibc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(platform, "libc_ver", lambda: ("glibc", "2.36"))


@pytest.mark.parametrize("result", [1, 0])
def test_sets_the_trim_threshold(glibc: None, monkeypatch: pytest.MonkeyPatch, result: int) -> None:
    library = _Library(result)
    monkeypatch.setattr(ctypes, "CDLL", lambda name: library)
    assert allocator.keep_heap() is bool(result)
    assert library.calls == [(-1, allocator.TRIM_THRESHOLD_BYTES)]


@pytest.mark.parametrize(
    ("system", "libc"), [("Darwin", ("", "")), ("Windows", ("", "")), ("Linux", ("", "")), ("Linux", ("musl", "1"))]
)
def test_does_nothing_elsewhere(monkeypatch: pytest.MonkeyPatch, system: str, libc: tuple[str, str]) -> None:
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "libc_ver", lambda: libc)
    monkeypatch.setattr(ctypes, "CDLL", lambda name: pytest.fail("loaded a library"))
    assert allocator.keep_heap() is False


def test_a_library_without_mallopt_is_no_error(glibc: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    assert allocator.keep_heap() is False


def test_on_this_machine_it_does_what_the_platform_allows() -> None:
    assert allocator.keep_heap() is (platform.libc_ver()[0] == "glibc")
