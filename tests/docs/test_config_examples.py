"""Every example configuration loads, and the schema beside them is the one the package prints."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from portal_gateway.providers.signing import generate_key_pair
from portal_gateway.settings import Settings, load_settings

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "config").glob("*.yaml"))
SECRETS = {
    "PLANHAT_API_TOKEN": "planhat-token",
    "ROCKETLANE_API_KEY": "rocketlane-key",
    "ROCKETLANE_SHARED_SECRET": "shared-secret",
    "PORTAL_FORGET_SECRET": "a-long-forget-secret",
}


@pytest.fixture(scope="module")
def private_key() -> str:
    return generate_key_pair("RS256")[0]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_the_example_loads(example: Path, tmp_path: Path, private_key: str) -> None:
    (tmp_path / "rocketlane.pem").write_text(private_key)
    copy = tmp_path / example.name
    copy.write_text(example.read_text())
    assert load_settings(copy, environ=SECRETS).portals


def test_there_are_examples() -> None:
    assert {path.name for path in EXAMPLES} >= {"planhat.yaml", "rocketlane.yaml", "sidecar.yaml"}


def test_the_starter_that_init_writes_loads() -> None:
    starter = ROOT / "portal_gateway" / "settings" / "starter.yaml"
    assert load_settings(starter, environ=SECRETS).upstream == "http://127.0.0.1:8000"


def test_the_schema_file_is_current() -> None:
    written = json.loads((ROOT / "config" / "portal-gateway.schema.json").read_text())
    assert written == Settings.model_json_schema(by_alias=True), "run: portal-gateway schema > config/..."
