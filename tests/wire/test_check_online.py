"""`check --online` against the sandbox on real sockets: what it finds, what it never does, what it never prints."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml
from certificates import self_signed, server_side
from frameworks_support import Vendors
from redis_server import running_redis
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from portal_gateway.cli import main
from portal_gateway.sandbox.server import running

pytestmark = pytest.mark.asyncio(loop_scope="module")

JANE = ("jane", "email=jane@vance.example", "company_id=201")


@pytest.fixture
def config(vendors: Vendors) -> Iterator[dict[str, Any]]:
    """The demo's, for each test anew, and vendors as they should be."""
    vendors.sandbox.reset()
    yield vendors.config()
    vendors.sandbox.reset()


@pytest.fixture
def online(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Runs the command as a person would; gives the exit status and what was printed."""

    async def run(config: dict[str, Any], *user: str) -> tuple[int, str]:
        path = tmp_path / "gateway.yaml"
        path.write_text(yaml.safe_dump(config))
        arguments = ["check", str(path), "--online", *(["--user", *user] if user else [])]
        status = await asyncio.to_thread(main, arguments)
        output = capsys.readouterr()
        assert output.err == ""
        return status, output.out

    return run


def finding(output: str, what: str) -> list[str]:
    """The level of a finding, and the lines below it."""
    lines = output.splitlines()
    [start] = [number for number, line in enumerate(lines) if line[11:].startswith(what)]
    below = [line.strip() for line in lines[start + 1 : start + 3] if line.startswith(" " * 11)]
    return [lines[start][:11].strip(), *below]


async def test_all_is_well(config: dict[str, Any], vendors: Vendors, online: Any) -> None:
    status, output = await online(config, *JANE)
    assert status == 0
    assert output.endswith("\n0 problems found online\n")
    assert finding(output, "access of the end user") == ["ok", *finding(output, "access of the end user")[1:]]
    assert finding(output, "access of the end user")[1].startswith("200, application/json, ")
    assert finding(output, "access of the end user")[1].endswith(" ms, boolean")
    assert finding(output, "access of the end user")[2] == "read as access"
    assert finding(output, "access of an id that nobody has")[2] == "read as no access"
    assert finding(output, "the user among their customers") == ["ok", "of 1 of 1 projects"]
    assert finding(output, "the same by the help article's bare companyId")[2] == "ignored"


async def test_nothing_is_minted_or_changed(config: dict[str, Any], vendors: Vendors, online: Any) -> None:
    await online(config, *JANE)
    await online(config)
    planhat, rocketlane = vendors.sandbox.planhat_vendor.calls, vendors.sandbox.rocketlane_vendor.calls
    assert planhat.count("GET", "/shareabletokens/") == planhat.count("GET", "/shareabletokens/access/") == 5
    assert all(call.startswith("GET ") for call in planhat.counts() + rocketlane.counts())
    assert len(planhat) == 10


async def test_neither_secrets_nor_what_answers_say_is_printed(
    config: dict[str, Any], vendors: Vendors, online: Any
) -> None:
    _, output = await online(config, *JANE)
    world = vendors.sandbox.world
    values = [*vendors.environ.values(), "jane", "Vance", "Moreau", *(user.id for user in world.planhat.end_users)]
    values += [project.name for project in world.rocketlane.projects] + ["5001"]
    for value in values:
        assert value not in output


@pytest.mark.parametrize(
    ("switches", "what", "says"),
    [
        pytest.param({"status": 401}, "list of end users", "credentials are not accepted: check api_token", id="401"),
        pytest.param({"status": 429}, "list of end users", "limit is reached", id="429"),
        pytest.param({"status": 503}, "list of end users", "trouble of its own", id="503"),
        pytest.param({"access_form": "unknown"}, "access of the end user", "access_keys, access_yes", id="unreadable"),
        pytest.param({"extid_supported": False}, "access of the end user", "ids of this form do not work", id="extid"),
        pytest.param({"fault": "html", "fault_path": "/share"}, "access of an id", "cannot be read", id="html"),
    ],
)
async def test_planhat_in_trouble(
    config: dict[str, Any], vendors: Vendors, online: Any, switches: dict[str, Any], what: str, says: str
) -> None:
    vendors.sandbox.planhat_vendor.switches.update(switches)
    status, output = await online(config, *JANE)
    assert says in " ".join(finding(output, what))
    assert status == (0 if "extid_supported" in switches else 1)


async def test_a_user_whom_planhat_does_not_know_by_that_id(config: dict[str, Any], online: Any) -> None:
    config["portals"]["success"]["enduser_id"] = "srcid-{id}"
    status, output = await online(config, *JANE)
    assert status == 1
    level, told, meaning = finding(output, "the end user's record, by enduser_id 'srcid-{id}'")
    assert (level, told[:3]) == ("problem", "404")
    assert "does not know this id" in meaning


async def test_a_user_looked_up_by_e_mail_address(config: dict[str, Any], vendors: Vendors, online: Any) -> None:
    config["portals"] = {"success": {**config["portals"]["success"], "resolve": "email"}}
    what = "the end user, by e-mail address"
    status, output = await online(config, "jane", "email=jane@vance.example")
    assert (status, finding(output, what)[0], finding(output, "access of the end")[2]) == (0, "ok", "read as access")
    vendors.sandbox.world.planhat.end_users[1].email = "jane@vance.example"  # and now there are two
    status, output = await online(config, "jane", "email=jane@vance.example")
    assert (status, finding(output, what)[2]) == (1, "several end users have this e-mail address")
    vendors.sandbox.planhat_vendor.switches.email_filter_ignored = True
    status, output = await online(config, "jane", "email=jane@vance.example")
    assert status == 1
    assert "not filtered by e-mail address" in finding(output, what)[2]


async def test_a_user_of_whom_too_little_is_said(config: dict[str, Any], online: Any) -> None:
    status, output = await online(config, "jane")
    assert status == 1
    assert "'email'" in " ".join(finding(output, "company of the user"))


@pytest.mark.parametrize(
    ("switches", "what", "says"),
    [
        pytest.param({"status": 401}, "list of projects", "credentials are not accepted: check api_key", id="401"),
        pytest.param({"fault": "html"}, "list of projects", "no usable page", id="html"),
        pytest.param({"team_members_in_lists": False}, "the user among their", "the list does not tell", id="no-team"),
        pytest.param({"bare_company_id_ignored": False}, "the same by the help", "honoured", id="bare-honoured"),
        pytest.param({"frame_ancestors": "https://a.example"}, "the embedded page", "https://a.example", id="framing"),
    ],
)
async def test_rocketlane_in_other_moods(
    config: dict[str, Any], vendors: Vendors, online: Any, switches: dict[str, Any], what: str, says: str
) -> None:
    del config["portals"]["success"]
    vendors.sandbox.rocketlane_vendor.switches.update(switches)
    status, output = await online(config, *JANE)
    assert says in " ".join(finding(output, what))
    assert status == int("problem" in output.replace("problems found", ""))


async def test_nobody_is_there(config: dict[str, Any], online: Any) -> None:
    for portal in config["portals"].values():
        portal.update(api_url="http://127.0.0.1:1", portal_url="http://127.0.0.1:1")
    status, output = await online(config)
    assert status == 1
    assert "no answer: Connection refused" in finding(output, "list of end users")[1]
    assert "http://127.0.0.1:1" in finding(output, "list of end users")[2]


async def me(request: Any) -> Response:
    match request.url.path:
        case "/open":
            return JSONResponse({"user": {"id": "admin"}})
        case "/nobody":
            return JSONResponse(None)
        case "/text":
            return PlainTextResponse("hello")
        case "/login":
            return RedirectResponse("/")
        case "/broken":
            return JSONResponse({}, 500)
        case "/jwks.json":
            return JSONResponse({"keys": []})
    return JSONResponse({}, 401)


@pytest_asyncio.fixture(loop_scope="module")
async def app() -> AsyncIterator[str]:
    paths = ("/me", "/open", "/nobody", "/text", "/login", "/broken", "/jwks.json")
    async with running(Starlette(routes=[Route(path, me) for path in paths])) as url:
        yield url


@pytest.mark.parametrize(
    ("path", "level", "says"),
    [
        ("/me", "ok", "read as: nobody"),
        ("/nobody", "ok", "read as: nobody"),
        ("/login", "ok", "read as: nobody"),
        ("/open", "problem", "everybody would be that user"),
        ("/text", "problem", "no JSON object"),
        ("/broken", "problem", "must be 401"),
        ("/absent", "problem", "no such path"),
    ],
)
async def test_the_app_without_a_session(
    config: dict[str, Any], online: Any, app: str, path: str, level: str, says: str
) -> None:
    source = {"source": "whoami", "path": path, "fields": {"id": "user.id"}}
    status, output = await online({**config, "upstream": app, "identity": [source]})
    found = finding(output, f"{path} of the app, without a session")
    assert (found[0], status) == (level, int(level == "problem"))
    assert says in found[2]


async def test_the_app_is_not_asked_where_it_is_not_known(config: dict[str, Any], online: Any) -> None:
    source = {"source": "whoami", "path": "/me", "fields": {"id": "id"}}
    status, output = await online({**config, "identity": [source]})
    assert status == 0
    assert finding(output, "/me of the app")[0] == "note"


async def test_an_app_with_a_certificate_of_ones_own(config: dict[str, Any], online: Any, tmp_path: Path) -> None:
    async def unknown(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n")
        writer.close()

    certificate = self_signed(tmp_path / "app.pem")
    source = {"source": "whoami", "path": "/me", "fields": {"id": "id"}}
    async with await asyncio.start_server(unknown, "127.0.0.1", 0, ssl=server_side(certificate)) as server:
        port = server.sockets[0].getsockname()[1]
        config = {**config, "upstream": f"https://127.0.0.1:{port}", "identity": [source]}
        _, output = await online(config)
        assert finding(output, "/me of the app")[:2] == ["problem", "no answer: self-signed certificate"]
        _, output = await online({**config, "upstream_tls": {"ca_file": str(certificate)}})
        assert finding(output, "/me of the app")[0] == "ok"


async def test_of_several_apps_the_one_of_the_path_is_asked(config: dict[str, Any], online: Any, app: str) -> None:
    source = {"source": "whoami", "path": "/me", "fields": {"id": "id"}}
    upstream = {"/": "http://127.0.0.1:9", "/me": app}
    status, output = await online({**config, "upstream": upstream, "identity": [source]})
    assert (finding(output, "/me of the app")[0], status) == ("ok", 0)


@pytest.mark.parametrize(
    ("path", "says"), [("/jwks.json", "no key for any of the configured"), ("/absent", "check jwks_url")]
)
async def test_an_issuer_without_usable_keys(
    config: dict[str, Any], online: Any, app: str, path: str, says: str
) -> None:
    source = {"source": "jwt", "jwks_url": f"{app}{path}", "algorithms": ["RS256"], "audience": "app"}
    status, output = await online({**config, "identity": [source]})
    assert status == 1
    assert says in finding(output, f"keys at {app}{path}")[2]


async def test_a_cache_that_answers_and_one_that_is_gone(config: dict[str, Any], online: Any, tmp_path: Path) -> None:
    with running_redis(tmp_path) as server:
        config["cache"] = {"url": server.url, "timeout_ms": 2000}
        status, output = await online(config)
        assert status == 0
        assert finding(output, f"cache at {server.url}")[0] == "ok"
        assert server.command("DBSIZE") == "0"
    status, output = await online(config)
    assert status == 1
    assert "the gateway works without it" in finding(output, f"cache at {server.url}")[2]
