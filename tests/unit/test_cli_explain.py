from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from portal_gateway import explaining
from portal_gateway.cli import main

PAGE = b"<!doctype html>\n<title>t</title>\n<body>\n<nav class=top><ul></ul></nav>\n<main>Hello</main>\n"
CONFIG = """\
login_url: /login
identity:
  - {source: whoami, path: /me, fields: {id: id}}
portals:
  success:
    provider: planhat
    api_token: {env: PLANHAT_API_TOKEN}
    inject:
      - {at: nav ul}
      - {at: "main", position: before, paths: ["/orders/*"], mode: loader}
"""
TOKEN = "token-that-nobody-may-see"


class Host(BaseHTTPRequestHandler):
    """Answers with the page, or with what the path names; notes each request."""

    requests: list[tuple[str, dict[str, str]]]

    def do_GET(self) -> None:
        self.requests.append((self.path, {key.lower(): value for key, value in self.headers.items()}))
        if self.path == "/broken":
            self.wfile.write(b"no HTTP at all\r\n")
            return
        self.send_response(302 if self.path == "/old" else 200)
        if self.path == "/old":
            self.send_header("Location", "/login")
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(PAGE)))
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def host() -> Iterator[str]:
    Host.requests = []
    with HTTPServer(("127.0.0.1", 0), Host) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("PLANHAT_API_TOKEN", TOKEN)
    path = tmp_path / "gateway.yaml"
    path.write_text(CONFIG)
    return str(path)


@pytest.fixture
def page(tmp_path: Path) -> str:
    path = tmp_path / "page.html"
    path.write_bytes(PAGE)
    return str(path)


def test_a_saved_page(config: str, page: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "--config", config, "--page", page]) == 0
    output = capsys.readouterr()
    place = "tml> <title>t</title> <body> <nav class=top><ul> [HERE] </ul></nav> <main>Hello</main>"
    assert (
        output.out
        == f"""\
{page} as /: status 200, text/html

portals.success.inject[0]: link, append 'nav ul', paths /**
  lands at line 4, column 20, byte {PAGE.index(b"</ul>")}:  {place}
  mode decided: no shared cache may keep the page

portals.success.inject[1]: link, before 'main', paths /orders/*
  lands nowhere: no_rule (the path matches none of the rule's `paths`)
"""
    )
    assert output.err == ""


def test_the_path_decides_which_rules_apply(config: str, page: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "--config", config, "--page", page, "--path", "/orders/7"]) == 0
    output = capsys.readouterr().out
    assert "lands nowhere" not in output
    assert "  mode loader: the rule says so" in output


def test_when_no_rule_lands_the_status_says_so(config: str, page: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "--config", config, "--page", page, "--content-type", "text/html; charset=utf-16"]) == 1
    assert "lands nowhere: charset (" in capsys.readouterr().out


def test_many_places_are_counted(config: str, page: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(config).write_text(CONFIG.replace("{at: nav ul}", "{at: p, all: true}"))
    Path(page).write_bytes(b"<body>" + b"<p>x</p>" * 12)
    assert main(["explain", "--config", config, "--page", page]) == 0
    output = capsys.readouterr().out
    assert output.count("lands at") == explaining.MAX_PLACES
    assert "  and at 7 more places" in output


def test_without_rules(config: str, page: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(config).write_text(CONFIG.partition("    inject:")[0])
    assert main(["explain", "--config", config, "--page", page]) == 1
    assert "No portal has an inject rule." in capsys.readouterr().out


def test_a_url_is_fetched_once_as_a_browser_would(
    config: str, host: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # nobody is asked but the host itself
    assert main(["explain", "--config", config, "--url", f"{host}/orders/7?a=b"]) == 0
    output = capsys.readouterr().out
    assert output.startswith(f"{host}/orders/7?a=b as /orders/7: status 200, text/html; charset=utf-8\n")
    assert output.count("lands at") == 2
    [(target, headers)] = Host.requests
    assert target == "/orders/7?a=b"
    assert headers["sec-fetch-dest"] == "document"
    assert headers["accept"].startswith("text/html")
    assert "gzip" in headers["accept-encoding"]
    assert "cookie" not in headers


def test_the_path_of_a_url_can_be_another_to_the_rules(
    config: str, host: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", "--config", config, "--url", f"{host}/internal", "--path", "/orders/7"]) == 0
    assert "lands nowhere" not in capsys.readouterr().out
    assert [target for target, _ in Host.requests] == ["/internal"]


def test_a_redirect_is_named_and_not_followed(config: str, host: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "--config", config, "--url", f"{host}/old"]) == 1
    output = capsys.readouterr().out
    assert "status 302, text/html; charset=utf-8, to /login" in output
    assert "lands nowhere: status (" in output
    assert len(Host.requests) == 1


def test_a_page_of_our_own_is_none_to_inject(config: str, page: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "--config", config, "--page", page, "--path", "/portal/success/"]) == 1
    assert "/portal/success/ is one of the gateway's own routes" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["--page", "nowhere.html"], "nowhere.html cannot be read: No such file", id="no-file"),
        pytest.param(["--page", "/"], "/ cannot be read: Is a directory", id="directory"),
        pytest.param(["--url", "ftp://127.0.0.1/"], "ftp://127.0.0.1/ is not an http(s) URL", id="scheme"),
        pytest.param(["--url", "http://user:pw@127.0.0.1/"], "is not an http(s) URL", id="credentials"),
        pytest.param(["--url", "http://127.0.0.1/", "--content-type", "a/b"], "--content-type is for", id="type"),
    ],
)
def test_what_cannot_be_had_is_said(
    config: str, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", "--config", config, *arguments]) == 1
    output = capsys.readouterr()
    assert output.err.startswith("portal-gateway: ")
    assert message in output.err
    assert output.out == ""


def test_nobody_listens(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        assert main(["explain", "--config", config, "--url", url]) == 1
    assert f"{url} cannot be fetched: Connection refused" in capsys.readouterr().err


def test_what_is_no_http(config: str, host: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "--config", config, "--url", f"{host}/broken"]) == 1
    assert "/broken cannot be fetched: " in capsys.readouterr().err


def test_a_page_too_long(
    config: str, host: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explaining, "MAX_BYTES", 10)
    assert main(["explain", "--config", config, "--url", f"{host}/"]) == 1
    assert "cannot be fetched: longer than 10 bytes" in capsys.readouterr().err


def test_a_wrong_configuration_is_said_first(config: str, page: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(config).write_text(CONFIG.replace("nav ul", "nav:hover"))
    assert main(["explain", "--config", config, "--page", page]) == 1
    assert "portals.success.inject[0].at" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param([], id="neither-page-nor-user"),
        pytest.param(["--page", "a", "--url", "http://b/"], id="both"),
        pytest.param(["--page", "a", "--path", "orders"], id="path"),
    ],
)
def test_wrong_arguments(config: str, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main(["explain", "--config", config, *arguments])
    assert exit_info.value.code == 2
    assert "usage: " in capsys.readouterr().err


def test_no_secret_is_printed(config: str, page: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["explain", "--config", config, "--page", page])
    output = capsys.readouterr()
    assert TOKEN not in output.out + output.err
