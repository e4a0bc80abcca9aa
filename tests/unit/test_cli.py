from __future__ import annotations

import errno
import json
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from portal_gateway import __version__, cli
from portal_gateway.cli import main
from portal_gateway.serving.service import Service

TOKEN = "token-that-nobody-may-see"
GOOD = """\
login_url: /login
upstream: http://127.0.0.1:9
identity:
  - {source: whoami, path: /me, fields: {id: id}}
portals:
  success: {provider: planhat, api_token: {env: PLANHAT_API_TOKEN}, inject: [{at: nav}]}
"""
SIX_MISTAKES = """\
mount_pth: /portal
public_url: https://app.acme.com/path
identity:
  - source: whoami
    path: api/me
    fields: {id: user.id}
portals:
  success:
    provider: planhat
    api_token: token-that-nobody-may-see
    access: {ttl: 0}
    inject:
      - {at: nav, position: middle}
"""


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANHAT_API_TOKEN", TOKEN)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "gateway.yaml"
    path.write_text(GOOD)
    return path


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


# check


def test_check_of_a_sound_configuration(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(config)]) == 0
    output = capsys.readouterr()
    assert output.out == f"{config}: fine; portals: success (planhat)\n"
    assert output.err == ""


def test_check_asks_about_users_online_only(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main(["check", str(config), "--user", "42"])
    assert exit_info.value.code == 2
    assert "--user is for --online" in capsys.readouterr().err


def test_a_user_who_cannot_be_one_is_a_wrong_argument(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main(["check", str(config), "--online", "--user", "42", "mail=a@b.c"])
    assert exit_info.value.code == 2
    assert "'mail' is not FIELD=VALUE" in capsys.readouterr().err


def test_check_says_what_is_doubtful_and_passes(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config.write_text(GOOD.replace("login_url: /login\n", "").replace(", inject: [{at: nav}]", ""))
    assert main(["check", str(config)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[:2] for line in lines[:-1]] == [
        ["warning", " login_url"],
        ["warning", " portals.success.inject"],
    ]


def test_check_says_all_six_mistakes_with_their_lines(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config.write_text(SIX_MISTAKES)
    assert main(["check", str(config)]) == 1
    output = capsys.readouterr()
    assert output.out == ""
    head, *lines = output.err.splitlines()
    assert head == f"portal-gateway: {config}: 6 problems"
    assert [line.split(": ")[:2] for line in lines] == [
        ["  line 1", "mount_pth"],
        ["  line 2", "public_url"],
        ["  line 5", "identity[0].path"],
        ["  line 10", "portals.success.api_token"],
        ["  line 11", "portals.success.access.ttl"],
        ["  line 13", "portals.success.inject[0].position"],
    ]
    assert TOKEN not in output.err


def test_check_of_a_missing_secret(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PLANHAT_API_TOKEN")
    assert main(["check", str(config)]) == 1
    expected = "line 6: portals.success.api_token: environment variable PLANHAT_API_TOKEN is not set"
    assert expected in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "reason"),
    [pytest.param("absent.yaml", "No such file", id="absent"), pytest.param(".", "Is a directory", id="directory")],
)
def test_check_of_a_file_that_cannot_be_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, reason: str
) -> None:
    assert main(["check", str(tmp_path / name)]) == 1
    assert f"cannot be read: {reason}" in capsys.readouterr().err


def test_check_of_a_file_without_permission(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, _mode: str) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(Path, "open", refuse)  # chmod would not keep root out
    assert main(["check", str(config)]) == 1
    assert "cannot be read: Permission denied" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a: [", b"\x00", b"- x", b""])
def test_check_of_anything_as_a_program_ends_without_a_traceback(config: Path, content: bytes) -> None:
    config.write_bytes(content)
    command = [sys.executable, "-m", "portal_gateway", "check", str(config)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert ran.stdout == ""
    assert ran.stderr.startswith(f"portal-gateway: {config}: 1 problem\n")
    assert "Traceback" not in ran.stderr


# schema, init, keygen


def test_schema_is_json_and_describes_the_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert schema["additionalProperties"] is False
    assert {"portals", "identity", "mount_path"} <= schema["properties"].keys()


def test_init_writes_a_configuration_that_passes_the_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "new.yaml"
    assert main(["init", str(path)]) == 0
    assert f"portal-gateway check {path}" in capsys.readouterr().out
    assert main(["check", str(path)]) == 0


def test_init_goes_to_a_usual_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["init"]) == 0
    assert (tmp_path / "portal-gateway.yaml").is_file()


def test_init_overwrites_nothing(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", str(config)]) == 1
    assert config.read_text() == GOOD
    assert f"{config} exists already" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["init"], ["keygen", "--algorithm", "ES256", "--out"]])
def test_a_directory_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str]) -> None:
    path = tmp_path / "absent" / "file"
    assert main([*command, str(path)]) == 1
    assert capsys.readouterr().err == f"portal-gateway: cannot write {path}: No such file or directory\n"


@pytest.mark.parametrize(
    ("algorithm", "kind"),
    [
        pytest.param("RS256", rsa.RSAPrivateKey, id="rs256"),
        pytest.param("ES256", ec.EllipticCurvePrivateKey, id="es256"),
    ],
)
def test_keygen(tmp_path: Path, capsys: pytest.CaptureFixture[str], algorithm: str, kind: type) -> None:
    path = tmp_path / "key.pem"
    old_mask = os.umask(0)
    try:
        assert main(["keygen", "--algorithm", algorithm, "--out", str(path)]) == 0
    finally:
        os.umask(old_mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    output = capsys.readouterr()
    key = load_pem_private_key(path.read_bytes(), None)
    assert isinstance(key, kind)
    # Standard output is the public key and nothing else, so that it can be piped.
    assert load_pem_public_key(output.out.encode()) == key.public_key()
    assert "PRIVATE KEY" not in output.out + output.err


@pytest.mark.parametrize("link", [False, True], ids=["file", "dangling-link"])
def test_keygen_overwrites_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str], link: bool) -> None:
    path = tmp_path / "key.pem"
    if link:
        path.symlink_to(tmp_path / "elsewhere")
    else:
        path.write_text("the old key")
    assert main(["keygen", "--algorithm", "ES256", "--out", str(path)]) == 1
    output = capsys.readouterr()
    assert f"{path} exists already and is left as it is; give another path with --out" in output.err
    assert output.out == ""
    assert not (tmp_path / "elsewhere").exists()
    assert link or path.read_text() == "the old key"


# serve, demo, sandbox: what ends before anything is served


def test_serve_on_a_taken_port(config: Path, taken_port: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--config", str(config), "--port", str(taken_port)]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"portal-gateway: cannot listen on 127.0.0.1 port {taken_port}: Address already in use")
    assert "--port" in error


def test_serve_on_an_address_that_is_not_here(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--config", str(config), "--host", "192.0.2.1"]) == 1
    assert "cannot listen on 192.0.2.1 port 8080" in capsys.readouterr().err


def test_serve_with_a_wrong_configuration(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config.write_text(SIX_MISTAKES)
    assert main(["serve", "--config", str(config)]) == 1
    assert "6 problems" in capsys.readouterr().err


def test_serve_without_an_app_behind_it(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config.write_text(GOOD.replace("upstream: http://127.0.0.1:9\n", ""))
    assert main(["serve", "--config", str(config)]) == 1
    assert "upstream: is required" in capsys.readouterr().err


def test_serve_with_a_wrong_upstream(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--config", str(config), "--upstream", "127.0.0.1:9"]) == 1
    assert "upstream: must be an origin such as" in capsys.readouterr().err


def _instead_of_serving(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What would be served, and where."""
    served: dict[str, Any] = {}

    def serve(
        service: Service, listener: socket.socket, admin: socket.socket | None, *, workers: int, watch: bool
    ) -> None:
        admin_port = admin.getsockname()[1] if admin is not None else None
        port = listener.getsockname()[1]
        served.update(
            upstream=service.settings.upstream, port=port, admin_port=admin_port, workers=workers, watch=watch
        )

    monkeypatch.setattr("portal_gateway.serving.run.serve_sidecar", serve)
    return served


def test_serve_hands_on_what_it_was_told(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    served = _instead_of_serving(monkeypatch)
    upstream = "http://127.0.0.1:7"
    command = ["serve", "--config", str(config), "--upstream", upstream, "--port", "0"]
    assert main([*command, "--workers", "2", "--watch"]) == 0
    assert (served["upstream"], served["admin_port"]) == (upstream, None)
    assert (served["workers"], served["watch"]) == (2, True)
    port = served["port"]
    expected = f"Portal Gateway {__version__} on http://127.0.0.1:{port}, in front of {upstream}\n"
    assert capsys.readouterr().err == expected


def test_serve_names_all_the_apps_behind_it(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _instead_of_serving(monkeypatch)
    apps = "upstream: {/api: http://127.0.0.1:8, /: http://127.0.0.1:9}"
    config.write_text(GOOD.replace("upstream: http://127.0.0.1:9", apps))
    assert main(["serve", "--config", str(config), "--port", "0"]) == 0
    assert capsys.readouterr().err.endswith(", in front of http://127.0.0.1:9, http://127.0.0.1:8 (/api)\n")


def test_serve_says_where_operators_look(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    served = _instead_of_serving(monkeypatch)
    config.write_text(GOOD + "admin: 127.0.0.1:0\n")
    assert main(["serve", "--config", str(config), "--port", "0"]) == 0
    assert f"Status, probes and metrics on http://127.0.0.1:{served['admin_port']}\n" in capsys.readouterr().err


def test_serve_with_an_admin_address_that_is_taken(
    config: Path, taken_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text(GOOD + f"admin: 127.0.0.1:{taken_port}\n")
    assert main(["serve", "--config", str(config), "--port", "0"]) == 1
    error = capsys.readouterr().err
    assert error == (
        f"portal-gateway: cannot listen on 127.0.0.1 port {taken_port}: Address already in use; "
        f"choose another with `admin` in {config}\n"
    )


def test_demo_on_a_taken_port(taken_port: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--port", str(taken_port)]) == 1
    output = capsys.readouterr()
    assert output.err.startswith(f"portal-gateway: cannot listen on 127.0.0.1 port {taken_port}: ")
    assert output.out == ""


def test_sandbox_on_a_taken_port(taken_port: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sandbox", "--planhat-port", "0", "--rocketlane-port", str(taken_port)]) == 1
    assert f"cannot listen on 127.0.0.1 port {taken_port}: " in capsys.readouterr().err


# Arguments


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param([], "the following arguments are required: COMMAND", id="no-command"),
        pytest.param(["frobnicate"], "invalid choice: 'frobnicate'", id="unknown-command"),
        pytest.param(["check"], "the following arguments are required: FILE", id="no-file"),
        pytest.param(["serve"], "the following arguments are required: --config", id="no-config"),
        pytest.param(["demo", "--port", "65536"], "a port is a number from 0 to 65535", id="port-too-large"),
        pytest.param(["demo", "--port", "-1"], "port", id="negative-port"),
        pytest.param(["demo", "--port", "http"], "a port is a number from 0 to 65535", id="port-by-name"),
        pytest.param(["serve", "--config", "x", "--workers", "0"], "must be a number from 1", id="no-workers"),
        pytest.param(["keygen", "--algorithm", "HS256"], "invalid choice: 'HS256'", id="not-a-key-pair"),
    ],
)
def test_wrong_arguments_are_status_2(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"portal-gateway {__version__}\n"


def test_control_c_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_options: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "schema", interrupted)
    assert main(["schema"]) == 130
