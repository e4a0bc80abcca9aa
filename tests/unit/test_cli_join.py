from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from portal_gateway.cli import main
from portal_gateway.joining.composition import keyring_of
from portal_gateway.joining.shared_links import SharedLinks
from portal_gateway.settings import load_settings

CONFIG = """\
public_url: https://app.acme.com
upstream: http://127.0.0.1:9
joining: {keys: [{kid: k1, secret: {env: JOIN_KEY}}]}
mail: {host: 127.0.0.1, security: none, from: portal@acme.com}
identity: [{source: whoami, path: /me, fields: {id: id}}]
portals:
  success: {provider: planhat, api_token: {env: JOIN_KEY}}
  onboarding:
    provider: rocketlane
    portal_url: https://acme.rocketlane.com
    api_key: {env: JOIN_KEY}
    signing: {key: {env: JOIN_KEY}}
    join: {link: true}
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("JOIN_KEY", "k" * 40)
    path = tmp_path / "portal-gateway.yaml"
    path.write_text(CONFIG)
    return path


def join_link(config: Path, *more: str, portal: str = "onboarding") -> int:
    return main(["join-link", "--config", str(config), "--portal", portal, "--project", "5001", *more])


def test_a_shared_link_is_printed(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert join_link(config, "--days", "3") == 0
    [url] = capsys.readouterr().out.splitlines()
    assert url.startswith("https://app.acme.com/portal/onboarding/join/5001.")
    joining = load_settings(config).joining
    assert joining is not None
    key = url.rpartition("/")[2]
    assert SharedLinks(keyring_of(joining)).project_id(key, "onboarding", time.time()) == 5001
    assert abs(int(re.findall(r"5001\.(\d+)\.", key)[0]) - time.time() - 3 * 86_400) < 60


@pytest.mark.parametrize("portal", ["success", "nowhere"])
def test_a_portal_without_one(portal: str, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert join_link(config, portal=portal) != 0
    assert f"{portal} has no shared link" in capsys.readouterr().err


def test_several_workers_need_a_store_that_they_share(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--config", str(config), "--port", "0", "--workers", "2"]) != 0
    assert "need a `cache`" in capsys.readouterr().err
