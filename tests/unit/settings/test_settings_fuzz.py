"""Whatever a configuration holds, what comes out is Settings or SettingsError."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from settings_fakes import ENVIRON, write

from portal_gateway.errors import SettingsError
from portal_gateway.settings import Settings, load_settings
from portal_gateway.settings.identity import JwtIdentity
from portal_gateway.settings.portals import PlanhatPortal, RocketlanePortal

KEYS = st.sampled_from(
    [name for model in (Settings, PlanhatPortal, RocketlanePortal, JwtIdentity) for name in model.model_fields]
    + ["at", "as", "template", "paths", "key", "env", "file", "source", "success", "ttl", "<<"]
    + [""]
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.dates(),
    st.binary(max_size=8),
    st.text(max_size=12),
    st.sampled_from(["planhat", "rocketlane", "scope", "jwt", "headers", "whoami", "/x", "{id}", "10.0.0.0/8"]),
    st.sampled_from(["https://a.com", "http://[::1", "{{ x }}", "{% for", "nav > a", "a:b(", "RS256", "link"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(KEYS, inner, max_size=5),
        st.dictionaries(SCALARS, inner, max_size=2),
    ),
    max_leaves=20,
)
PORTALS = st.dictionaries(st.sampled_from(["a", "planhat", "B"]), st.dictionaries(KEYS, VALUES, max_size=6))
TOP = st.dictionaries(KEYS, VALUES, max_size=6)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(TOP, PORTALS, st.dictionaries(SCALARS, SCALARS, max_size=1))
@example({"identity": [{"source": "headers"}], "trusted_proxies": None}, {"a": {"provider": {}}}, {})
def test_any_mapping_is_loaded_or_refused(top: dict[Any, Any], portals: dict[Any, Any], odd: dict[Any, Any]) -> None:
    for portal in portals.values():
        portal.setdefault("provider", "rocketlane")
    with contextlib.suppress(SettingsError):
        assert isinstance(
            load_settings({**top, **odd, "portals": portals or top.get("portals")}, environ=ENVIRON), Settings
        )


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(VALUES.map(lambda value: yaml.safe_dump(value).encode()), st.binary(), st.text().map(str.encode)))
@example(b"a: !<tag:yaml.org,2002:int> x")
@example(b"a: ._\nb: 0x_\nc: !!float x\nd: !!binary ???\n")
@example(b"!!omap [x]")
def test_any_file_is_loaded_or_refused(tmp_path: Path, data: bytes) -> None:
    with contextlib.suppress(SettingsError):
        assert isinstance(load_settings(write(tmp_path / "any.yaml", data), environ=ENVIRON), Settings)
