"""`explain --user` against the sandbox on real sockets."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from frameworks_support import Vendors
from redis_server import running_redis

from portal_gateway import EndUser, load_settings
from portal_gateway.cli import main
from portal_gateway.explaining_access import REASONS
from portal_gateway.gateway import Gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

JANE = ("jane", "email=jane@vance.example", "company_id=201")
PIA = ("pia", "email=pia@globex.example", "company_id=301")


@pytest.fixture
def config(vendors: Vendors) -> Iterator[dict[str, Any]]:
    vendors.sandbox.reset()
    yield vendors.config()
    vendors.sandbox.reset()


@pytest.fixture
def explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    async def run(config: dict[str, Any], *arguments: str) -> tuple[int, str]:
        path = tmp_path / "gateway.yaml"
        path.write_text(yaml.safe_dump(config))
        status = await asyncio.to_thread(main, ["explain", "--config", str(path), *arguments])
        return status, capsys.readouterr().out

    return run


async def test_a_user_with_access(config: dict[str, Any], explained: Any) -> None:
    status, output = await explained(config, "--user", *JANE)
    assert status == 0
    assert (
        output
        == """\
user jane

portals.onboarding (rocketlane): granted (member: the user is a customer of a project of the company)
  a launch: 303 to a link that is signed then
  pages: the snippet goes in by
    inject[0]: iframe, append 'main', paths /onboarding

portals.success (planhat): granted (vendor_yes: the vendor says yes)
  a launch: 303 to a link that is signed then
  pages: the snippet goes in by
    inject[0]: link, append 'nav .links', paths /**
"""
    )


async def test_nothing_is_minted(config: dict[str, Any], vendors: Vendors, explained: Any) -> None:
    await explained(config, "--user", *JANE)
    assert (vendors.access_calls("jane"), vendors.mints("jane")) == (1, 0)


async def test_the_path_decides_which_rules_apply(config: dict[str, Any], explained: Any) -> None:
    del config["portals"]["success"]
    status, output = await explained(config, "--user", *PIA, "--path", "/onboarding")
    assert status == 0
    assert "user pia at /onboarding" in output
    assert "a launch: 200, the user chooses one of 2 projects, then 303" in output
    assert "this page: the snippet goes in by\n    inject[0]: iframe" in output
    status, output = await explained(config, "--user", *PIA, "--path", "/reports")
    assert status == 1
    assert "this page: no inject rule applies" in output


async def test_a_user_without_access(config: dict[str, Any], explained: Any) -> None:
    del config["portals"]["onboarding"]
    status, output = await explained(config, "--user", "noah")
    assert status == 1
    assert "portals.success (planhat): denied (vendor_not_found: the vendor knows no such end user (404)" in output
    assert "  a launch: 403, “You have no access to this portal”\n  pages: nothing is shown\n" in output


async def test_a_user_of_whom_too_little_is_said(config: dict[str, Any], explained: Any) -> None:
    del config["portals"]["success"]
    status, output = await explained(config, "--user", "jane")
    assert status == 1
    assert "unknown (incomplete_identity: the signed-in user has no 'company_id', which this portal needs)" in output


@pytest.mark.parametrize(
    ("switches", "says", "answers"),
    [
        pytest.param({"status": 401}, "vendor_refused_us: the vendor does not accept our credentials", "502", id="401"),
        pytest.param({"status": 500}, "vendor_unavailable: the vendor has trouble of its own (500)", "503", id="500"),
        pytest.param({"access_form": "unknown"}, "could not be understood", "502", id="unreadable"),
    ],
)
async def test_a_vendor_in_trouble(
    config: dict[str, Any], vendors: Vendors, explained: Any, switches: dict[str, Any], says: str, answers: str
) -> None:
    del config["portals"]["onboarding"]
    vendors.sandbox.planhat_vendor.switches.update(switches)
    status, output = await explained(config, "--user", *JANE)
    assert status == 1
    assert says in output
    assert f"a launch: {answers}, “The portal cannot be reached right now”" in output
    assert "pages: nothing is shown" in output


async def test_a_vendor_that_is_away(config: dict[str, Any], explained: Any) -> None:
    del config["portals"]["onboarding"]
    config["portals"]["success"].update(api_url="http://127.0.0.1:1")
    status, output = await explained(config, "--user", *JANE)
    assert status == 1
    assert "unknown (vendor_unavailable: the vendor cannot be reached (ConnectError))" in output


async def test_together_with_a_page(config: dict[str, Any], explained: Any, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("<!doctype html><title>t</title><nav><p class=links></p></nav>")
    status, output = await explained(config, "--page", str(page), "--user", *JANE)
    assert status == 0
    assert output.index("lands at line 1") < output.index("user jane")
    status, _ = await explained(config, "--page", str(page), "--user", "noah")
    assert status == 1


async def test_what_replicas_share_is_told(
    config: dict[str, Any], vendors: Vendors, explained: Any, tmp_path: Path
) -> None:
    del config["portals"]["onboarding"]
    with running_redis(tmp_path) as server:
        config["cache"] = {"url": server.url, "timeout_ms": 5000}
        _, output = await explained(config, "--user", *JANE)
        assert "  shared cache: nothing is held, the next page asks the vendor\n" in output
        gateway = Gateway(load_settings(config, environ=vendors.environ), None)  # type: ignore[arg-type]
        jane = EndUser("jane", "jane@vance.example", company_id="201")
        await gateway.directory.decide(gateway.directory.find("success"), jane)
        await gateway.aclose()
        vendors.sandbox.world.planhat.end_users[0].portal_access = False
        _, output = await explained(config, "--user", *JANE)
        assert "portals.success (planhat): denied (vendor_no: the vendor says no)" in output
        held = re.search(r"shared cache: granted \(vendor_yes: .*\), (\d+) s old, holds for (\d+) s more", output)
        assert held is not None
        assert int(held[2]) > 100
    _, output = await explained(config, "--user", *JANE)
    assert "shared cache: it does not answer" in output


async def test_every_reason_a_provider_gives_has_words() -> None:
    source = "".join(path.read_text() for path in Path("portal_gateway/providers").glob("*.py"))
    given = set(re.findall(r'AccessDenied\(\s*"[^"]+",\s*"(\w+)"', source)) | set(
        re.findall(r'(?:return|deny\(|grant\(|reason =) ?"(\w+)"(?: if|\)|\n)', source)
    )
    assert {"vendor_yes", "not_a_member", "domain_not_allowed"} <= given
    assert given - {"choice_not_open"} <= REASONS.keys()
