from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from portal_gateway.serving.watching import WatchedFiles


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "gateway.yaml"
    path.write_text("one")
    return path


@pytest.fixture
def files(file: Path) -> WatchedFiles:
    files = WatchedFiles()
    files.note(file)
    return files


def looks(files: WatchedFiles, count: int = 4) -> list[bool]:
    return [files.changed() for _ in range(count)]


def test_what_stays_as_it_is_has_not_changed(files: WatchedFiles) -> None:
    assert looks(files) == [False] * 4


def test_a_change_is_told_once_and_not_before_the_second_look(files: WatchedFiles, file: Path) -> None:
    looks(files)
    file.write_text("other")
    assert looks(files) == [False, True, False, False]
    file.write_text("another one")
    assert looks(files) == [False, True, False, False]


def test_a_change_before_the_first_look(files: WatchedFiles, file: Path) -> None:
    file.write_text("other")
    assert looks(files) == [False, True, False, False]


def test_what_is_still_being_written_is_left_alone(files: WatchedFiles, file: Path) -> None:
    looks(files)
    for size in range(4, 8):
        file.write_text("x" * size)
        assert not files.changed()
    assert files.changed()


def test_a_change_that_is_taken_back_is_none(files: WatchedFiles, file: Path) -> None:
    looks(files)
    before = file.stat()
    file.write_text("two")
    assert not files.changed()
    file.write_text("one")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert looks(files) == [False] * 4


def test_a_file_of_the_same_size_and_time_in_its_place(files: WatchedFiles, file: Path) -> None:
    before = file.stat()
    other = file.with_suffix(".new")
    other.write_text("two")
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(file)
    assert looks(files) == [False, True, False, False]


def test_a_file_that_goes_and_comes_back(files: WatchedFiles, file: Path) -> None:
    file.unlink()
    assert looks(files) == [False, True, False, False]
    file.write_text("one")
    assert looks(files) == [False, True, False, False]


def test_a_link_that_leads_elsewhere(tmp_path: Path) -> None:
    """As Kubernetes mounts a ConfigMap: the file is a link through `..data`, which is replaced in one step."""
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "gateway.yaml").write_text("one")
    (tmp_path / "..data").symlink_to("first")
    (tmp_path / "gateway.yaml").symlink_to("..data/gateway.yaml")
    files = WatchedFiles()
    files.note(tmp_path / "gateway.yaml")
    looks(files)
    (tmp_path / "..data_tmp").symlink_to("second")
    (tmp_path / "..data_tmp").replace(tmp_path / "..data")
    assert looks(files) == [False, True, False, False]


def test_what_has_been_read_meanwhile_need_not_be_read_again(files: WatchedFiles, file: Path) -> None:
    file.write_text("other")
    files.note(file)
    assert looks(files) == [False] * 4


def test_any_of_several_files_and_the_log_says_so(
    files: WatchedFiles, file: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "portal_gateway.serve")
    (tmp_path / "token").write_text("t")
    files.note(tmp_path / "token")
    assert looks(files) == [False] * 4
    (tmp_path / "token").write_text("t2")
    assert looks(files) == [False, True, False, False]
    assert [record.getMessage() for record in caplog.records] == [
        "the configuration, or a file that it names, has changed: it is read anew"
    ]
