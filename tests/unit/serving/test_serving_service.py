from __future__ import annotations

from pathlib import Path

import pytest

from portal_gateway.errors import SettingsError
from portal_gateway.serving.service import Service

CONFIG = """\
upstream: http://127.0.0.1:{port}
admin: 127.0.0.1:9090
identity: [{{source: whoami, path: /me, fields: {{id: id}}}}]
portals: {{success: {{provider: planhat, api_token: {{env: TOKEN}}}}}}
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TOKEN", "t")
    path = tmp_path / "gateway.yaml"
    path.write_text(CONFIG.format(port=1))
    return path


def messages(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(record.levelname, record.getMessage()) for record in caplog.records]


def test_a_reload_takes_the_file_as_it_is_now(config: Path, caplog: pytest.LogCaptureFixture) -> None:
    service = Service(str(config), None)
    config.write_text(CONFIG.format(port=2))
    assert service.settings.upstream == "http://127.0.0.1:1"
    sidecar = service.reload()
    assert sidecar is not None
    assert service.settings.upstream == sidecar.gateway.settings.upstream == "http://127.0.0.1:2"
    assert messages(caplog) == []


@pytest.mark.parametrize("text", ["portals: [", "", CONFIG.format(port="x"), CONFIG.format(port=2) + "mistake: 1\n"])
def test_a_file_that_is_not_good_changes_nothing(config: Path, caplog: pytest.LogCaptureFixture, text: str) -> None:
    service = Service(str(config), None)
    before = service.settings
    config.write_text(text)
    assert service.reload() is None
    assert service.settings is before
    [(level, message)] = messages(caplog)
    assert level == "ERROR"
    assert message.startswith(f"not reloaded, all stays as it was: {config}: ")


def test_a_file_that_is_gone_changes_nothing(config: Path, caplog: pytest.LogCaptureFixture) -> None:
    service = Service(str(config), None)
    config.unlink()
    assert service.reload() is None
    assert "cannot be read: No such file" in caplog.text


def test_a_failure_of_our_own_changes_nothing(
    config: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = Service(str(config), None)
    monkeypatch.setattr("portal_gateway.serving.service.build_sidecar", lambda settings: 1 / 0)
    assert service.reload() is None
    assert [record.exc_info is not None for record in caplog.records] == [True]


def test_the_upstream_of_the_command_line_stays(config: Path) -> None:
    service = Service(str(config), "http://127.0.0.1:3")
    config.write_text(CONFIG.format(port=2))
    assert service.reload() is not None
    assert service.settings.upstream == "http://127.0.0.1:3"


def test_what_takes_a_restart_is_said(config: Path, caplog: pytest.LogCaptureFixture) -> None:
    service = Service(str(config), None)
    config.write_text(CONFIG.format(port=1).replace("9090", "9091"))
    assert service.reload() is not None
    assert messages(caplog) == [("WARNING", "`admin` has changed: that takes a restart")]


def test_all_files_of_a_configuration_are_watched_also_those_that_it_names_later(config: Path) -> None:
    directory = config.parent
    service = Service(str(config), None)
    changed = service.files.changed
    changed()
    config.write_text(CONFIG.format(port=1).replace("env: TOKEN", "file: token") + "templates: pages\n")
    assert [changed(), changed()] == [False, True]
    assert service.reload() is None  # there are no such files yet
    (directory / "pages").mkdir()
    (directory / "pages" / "message.html").write_text("{{ text }}")
    (directory / "token").write_text("t")
    assert [changed(), changed()] == [False, True]
    assert service.reload() is not None
    for path in (directory / "token", directory / "pages" / "message.html", directory / "pages" / "_part.html"):
        path.write_text("other")
        assert [changed(), changed()] == [False, True]
        assert service.reload() is not None
        assert [changed(), changed()] == [False, False]


def test_a_configuration_that_cannot_be_served(config: Path) -> None:
    config.write_text(CONFIG.format(port=1).partition("\n")[2])
    with pytest.raises(SettingsError, match="upstream: is required"):
        Service(str(config), None)
