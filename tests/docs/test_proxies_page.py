"""docs/proxies.md and the recipes that it names; tests/wire/test_proxies_in_front.py runs those that it can."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from portal_gateway.http11.limits import ClientLimits
from portal_gateway.settings import Settings
from portal_gateway.settings.upstreams import UpstreamTimeouts

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "proxies.md").read_text()
KEEP_ALIVE_S = ClientLimits().keep_alive_s


def recipe(name: str) -> str:
    return (ROOT / "deploy" / name).read_text()


def values_of(document: Any, key: str) -> list[Any]:
    """All values of `key`, wherever it is."""
    if isinstance(document, list):
        return [value for item in document for value in values_of(item, key)]
    if not isinstance(document, dict):
        return []
    here = [document[key]] if key in document else []
    return here + [value for item in document.values() for value in values_of(item, key)]


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("Caddyfile", r"\tkeepalive (\d+)s"),
        ("traefik.yaml", r"idleConnTimeout: (\d+)s"),
        ("envoy.yaml", r"{idle_timeout: (\d+)s}"),
    ],
)
def test_idle_connections_end_before_the_gateway_closes_them(name: str, pattern: str) -> None:
    [seconds] = re.findall(pattern, recipe(name))
    assert int(seconds) < KEEP_ALIVE_S
    assert f"`keep_alive_s` ({KEEP_ALIVE_S:g})" in recipe(name)
    assert f"{seconds}s`" in PAGE


def test_the_figures_of_the_gateway_are_those_of_the_code() -> None:
    assert f"`client_limits.keep_alive_s` ({KEEP_ALIVE_S:g} s)" in PAGE
    assert f"({UpstreamTimeouts().head_s:g} s for the head of a response)" in PAGE


def test_traefiks_parts_know_each_other() -> None:
    http = yaml.safe_load(recipe("traefik.yaml"))["http"]
    assert {router["service"] for router in http["routers"].values()} == http["services"].keys()
    assert {name for router in http["routers"].values() for name in router.get("middlewares", ())} == http[
        "middlewares"
    ].keys()
    transports = values_of(http["services"], "serversTransport")
    assert transports == list(http["serversTransports"])


def test_envoys_clusters_are_those_that_are_asked() -> None:
    document = yaml.safe_load(recipe("envoy.yaml"))
    clusters = {cluster["name"] for cluster in document["static_resources"]["clusters"]}
    assert set(values_of(document["static_resources"]["listeners"], "cluster")) == clusters
    assert values_of(document, "path") == ["/ready"]


def test_the_settings_shown_exist() -> None:
    [shown] = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)
    assert yaml.safe_load(shown).keys() <= Settings.model_fields.keys()


def test_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", PAGE)
    assert len(links) > 3
    assert [link for link in links if not (ROOT / "docs" / link).exists()] == []
