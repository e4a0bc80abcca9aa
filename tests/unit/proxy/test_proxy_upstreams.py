from __future__ import annotations

import pytest

from portal_gateway.errors import UpstreamTimeout, UpstreamUnavailable
from portal_gateway.proxy.upstreams import Upstreams

APP, API = "http://127.0.0.1:8000", "unix:/run/api.sock"


def test_a_path_leads_to_its_upstream() -> None:
    upstreams = Upstreams({"/": APP, "/api": API})
    found = [upstreams.route(path).origin.address for path in (b"/", b"/apix", b"/api", b"/api/users")]
    assert found == ["127.0.0.1:8000", "127.0.0.1:8000", "/run/api.sock", "/run/api.sock"]


def test_one_url_is_one_upstream_whatever_prefixes_it_has() -> None:
    upstreams = Upstreams({"/": APP, "/api": API, "/v2": API})
    assert upstreams.route(b"/api") is upstreams.route(b"/v2/x")
    assert [upstream.origin.address for upstream in upstreams.all] == ["127.0.0.1:8000", "/run/api.sock"]


def test_what_is_known_of_one_is_not_said_of_another() -> None:
    app, api = Upstreams({"/": APP, "/api": API}).all
    app.failed(UpstreamTimeout("late"))
    app.failed(UpstreamTimeout("late"))
    app.failed(UpstreamUnavailable("away"))
    assert (app.is_failing, api.is_failing) == (True, False)
    assert (app.failures, api.failures) == ({"upstream_timeout": 2, "upstream_unavailable": 1}, {})


def test_what_is_no_url_is_refused() -> None:
    with pytest.raises(ValueError, match="upstream must be"):
        Upstreams({"/": APP, "/api": "api"})
