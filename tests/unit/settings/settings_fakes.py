"""A configuration with everything in it, and what it names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from portal_gateway.providers.signing import generate_key_pair
from portal_gateway.settings import Settings, load_settings

Load = Callable[[str | bytes], Settings]
Problems = Callable[[str | bytes], list[str]]

PEM = generate_key_pair("ES256")[0]

ENVIRON = {
    "PLANHAT_API_TOKEN": "planhat-token-that-nobody-may-see",
    "ROCKETLANE_API_KEY": "rocketlane-key-that-nobody-may-see",
    "SHARED_SECRET": "shared-secret-that-nobody-may-see",
    "PORTAL_FORGET_SECRET": "forget-secret-that-nobody-may-see",
    "JWT_SECRET": "jwt-secret-that-nobody-may-see-of-32+-bytes",
}

PLANHAT = "portals: {success: {provider: planhat, api_token: {env: PLANHAT_API_TOKEN}}}\n"


def planhat(**more: Any) -> dict[str, Any]:
    return {"provider": "planhat", "api_token": {"env": "PLANHAT_API_TOKEN"}, **more}


def rocketlane(**more: Any) -> dict[str, Any]:
    return {
        "provider": "rocketlane",
        "portal_url": "https://acme.rocketlane.com",
        "api_key": {"env": "ROCKETLANE_API_KEY"},
        "signing": {"key": {"env": "SHARED_SECRET"}},
        **more,
    }


def loaded(**top: Any) -> Settings:
    """Settings of a mapping that has one Planhat portal unless it says otherwise."""
    return load_settings({"portals": {"success": planhat()}, **top}, environ=ENVIRON)


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path
