from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import portal_gateway.providers
from portal_gateway.providers.base import Provider
from portal_gateway.providers.planhat import PlanhatProvider
from portal_gateway.providers.registry import build_provider
from portal_gateway.providers.rocketlane import RocketlaneProvider
from portal_gateway.settings.portals import PlanhatPortal, RocketlanePortal
from portal_gateway.settings.secrets import Secret

PLANHAT = PlanhatPortal(provider="planhat", api_token=Secret(b"t", "env T"), cluster="eu5")
ROCKETLANE = RocketlanePortal.model_validate(
    {
        "provider": "rocketlane",
        "portal_url": "https://onboarding.acme.com:8443",
        "api_key": Secret(b"k", "env K"),
        "signing": {"key": Secret(b"s" * 32, "env S")},
    }
)


def test_planhat() -> None:
    provider: Provider = build_provider("success", PLANHAT)
    assert isinstance(provider, PlanhatProvider)
    assert provider.frame_origin == "https://share-eu5.planhat.com"
    assert provider.embeds is False


def test_rocketlane() -> None:
    provider: Provider = build_provider("onboarding", ROCKETLANE)
    assert isinstance(provider, RocketlaneProvider)
    assert provider.frame_origin == "https://onboarding.acme.com:8443"
    assert provider.embeds is True


def test_httpx_is_imported_when_a_provider_is_built_and_jwt_only_for_one_that_signs() -> None:
    """Not before: settings alone need neither. Not later: the first page must not wait for an import."""
    code = (
        "import sys\n"
        "from portal_gateway.providers.registry import build_provider\n"
        "from portal_gateway.settings.portals import PlanhatPortal\n"
        "from portal_gateway.settings.secrets import Secret\n"
        "before = {'httpx', 'jwt'} & set(sys.modules)\n"
        "build_provider('p', PlanhatPortal(provider='planhat', api_token=Secret(b't', 'env T')))\n"
        "print(len(before), *{'httpx', 'jwt', 'cryptography'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout.strip(), done.stderr) == ("0 httpx", "")


def test_only_the_client_knows_httpx() -> None:
    room = Path(portal_gateway.providers.__file__).parent
    assert [f.name for f in sorted(room.glob("*.py")) if "import httpx" in f.read_text()] == ["client.py"]
