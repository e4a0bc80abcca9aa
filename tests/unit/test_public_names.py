"""What `portal_gateway` offers, and how. A change here is a change for users: it belongs into the change log."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys

import pytest

import portal_gateway

NAMES = {
    "Access",
    "EndUser",
    "GatewayError",
    "IdentitySource",
    "PortalGatewayMiddleware",
    "Provider",
    "Settings",
    "__version__",
    "create_sidecar",
    "load_settings",
}


def test_the_public_names() -> None:
    assert set(portal_gateway.__all__) == NAMES
    assert len(portal_gateway.__all__) == len(NAMES)
    assert all(hasattr(portal_gateway, name) for name in NAMES)


def test_whatever_else_can_be_seen_is_a_module() -> None:
    others = {name for name in vars(portal_gateway) if not name.startswith("_")} - NAMES
    assert {name for name in others if not inspect.ismodule(getattr(portal_gateway, name))} <= {"annotations"}


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        pytest.param("PortalGatewayMiddleware", ["app", "config", "identify", "compress"], id="middleware"),
        pytest.param("create_sidecar", ["config"], id="sidecar"),
        pytest.param("load_settings", ["config", "environ", "overrides"], id="settings"),
        pytest.param("EndUser", ["id", "email", "email_verified", "name", "company_id", "attributes"], id="end-user"),
        pytest.param("Access", ["verdict", "reason", "choices"], id="access"),
        pytest.param("GatewayError", ["message"], id="error"),
    ],
)
def test_the_parameters_users_write(name: str, parameters: list[str]) -> None:
    assert list(inspect.signature(getattr(portal_gateway, name)).parameters) == parameters


@pytest.mark.parametrize(
    ("protocol", "members"),
    [
        pytest.param(
            "Provider",
            {"aclose", "check_access", "embeds", "forget", "frame_origin", "mint", "subject"},
            id="provider",
        ),
        pytest.param("IdentitySource", {"aclose", "identify", "immediate", "name"}, id="identity-source"),
    ],
)
def test_what_extensions_have_to_offer(protocol: str, members: set[str]) -> None:
    found = {name for name in vars(getattr(portal_gateway, protocol)) if not name.startswith("_")}
    assert found == members


def test_the_version_is_one() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc)\d+)?", portal_gateway.__version__)


def test_importing_the_package_leaves_what_is_only_sometimes_needed_alone() -> None:
    code = "import sys, portal_gateway; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"httpx", "jwt", "cryptography", "redis", "uvicorn"}.intersection(ran.stdout.split())
