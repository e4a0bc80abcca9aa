"""What docs/operations.md promises; the files in deploy/ go with the command line, the admin app and each other."""

from __future__ import annotations

import configparser
import json
import re
import shlex
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
import yaml

from portal_gateway import cli, load_settings
from portal_gateway.observe import access_log
from portal_gateway.observe.metrics import FAMILIES
from portal_gateway.serving import supervisor, worker
from portal_gateway.settings import Settings
from portal_gateway.settings.admin import parse_admin_address

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operations.md").read_text()
SECRETS = {"PLANHAT_API_TOKEN": "t" * 20, "PORTAL_FORGET_SECRET": "s" * 64}
USER = "10001"


def options(*arguments: str) -> Namespace:
    """What the command line makes of arguments that a file in deploy/ gives."""
    found = cli._parser().parse_args(arguments)
    assert found.run is cli.serve
    return found


def test_every_metric_is_described() -> None:
    rows = [f"| `{name}` | {family.kind} | {family.help} |" for name, family in FAMILIES.items()]
    assert [row for row in PAGE.splitlines() if row.startswith("| `portal_gateway_")] == rows


def test_alerts_are_on_metrics_that_there_are() -> None:
    alerts = PAGE.partition("Worth an alert")[2].partition("##")[0]
    names = set(re.findall(r"\b([a-z_]+(?:_total|_conditions))\b", alerts))
    assert len(names) >= 6
    assert {f"portal_gateway_{name}" for name in names} <= FAMILIES.keys()


async def test_the_example_of_a_log_line_has_the_keys_of_one(tmp_path: Path) -> None:
    [example] = re.findall(r"```json\n(.*)\n```", PAGE)
    with (tmp_path / "log").open("wb") as stream:
        log = access_log.AccessLog(stream)
        log.request_ended("x", "x", "GET", b"/", 200, 0, 0.0)
        log.flush()
    assert json.loads(example).keys() == json.loads((tmp_path / "log").read_text()).keys()


@pytest.mark.parametrize(
    "sentence",
    [
        pytest.param(f"`drain_s` ({Settings.model_fields['drain_s'].default}) seconds", id="drain"),
        pytest.param(f"sign of life for {supervisor.HUNG_S:.0f} seconds", id="hung"),
        pytest.param(f"after {access_log.FLUSH_S * 1000:.0f} ms", id="flush"),
        pytest.param(f"{access_log.MAX_WAITING} batches", id="waiting"),
        pytest.param(f"At most {access_log.MAX_PATH:,} bytes".replace(",", " "), id="path"),
        pytest.param("after one idle second", id="linger"),
    ],
)
def test_figures_are_those_of_the_code(sentence: str) -> None:
    assert sentence in PAGE
    assert worker.LINGER_S == 1.0


def test_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)", PAGE)
    assert len(links) > 4
    assert [link for link in links if not (ROOT / "docs" / link).exists()] == []


# deploy/


def test_the_systemd_unit() -> None:
    unit = _unit("portal-gateway.service")
    program, *arguments = shlex.split(unit["Service"]["ExecStart"])
    assert program.endswith("/portal-gateway")
    found = options(*arguments)
    assert found.config.startswith("/etc/portal-gateway/")
    drain_s = Settings.model_fields["drain_s"].default
    assert int(unit["Service"]["TimeoutStopSec"]) > worker.LINGER_S + drain_s + supervisor.GRACE_S
    assert unit["Service"]["ExecReload"].endswith("-HUP $MAINPID")


def test_the_systemd_socket_listens_where_the_service_would() -> None:
    [*_, arguments] = [shlex.split(_unit("portal-gateway.service")["Service"]["ExecStart"])[1:]]
    stream = _unit("portal-gateway.socket")["Socket"]["ListenStream"]
    assert stream.rpartition(":")[2] == str(options(*arguments).port)


def test_the_compose_file() -> None:
    services = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())["services"]
    gateway = services["gateway"]
    found = options(*gateway["command"])
    assert found.upstream == f"http://app:{services['app']['expose'][0]}"
    assert gateway["ports"] == [f"{found.port}:{found.port}"]
    [(host_folder, folder)] = [volume.split(":")[:2] for volume in gateway["volumes"]]
    config = ROOT / "deploy" / host_folder / Path(found.config).relative_to(folder)
    assert load_settings(config, environ=dict.fromkeys(gateway["environment"], "s" * 64)).portals
    assert gateway["read_only"] is True
    assert gateway["user"].startswith(f"{USER}:")


def test_the_kubernetes_manifest() -> None:
    documents = {
        document["kind"]: document for document in yaml.safe_load_all((ROOT / "deploy" / "kubernetes.yaml").read_text())
    }
    pod = documents["Deployment"]["spec"]["template"]["spec"]
    [app, gateway] = pod["containers"]
    found = options(*gateway["args"])
    assert found.watch
    [mount] = gateway["volumeMounts"]
    [volume] = pod["volumes"]
    assert volume["configMap"]["name"] == documents["ConfigMap"]["metadata"]["name"]
    text = documents["ConfigMap"]["data"][str(Path(found.config).relative_to(mount["mountPath"]))]
    settings = load_settings(yaml.safe_load(text), environ={variable["name"]: "t" for variable in gateway["env"]})
    assert settings.upstream == f"http://127.0.0.1:{app['ports'][0]['containerPort']}"
    assert settings.admin is not None
    ports = {port["name"]: port["containerPort"] for port in gateway["ports"]}
    assert ports == {"http": found.port, "admin": parse_admin_address(settings.admin)[1]}
    assert documents["Service"]["spec"]["ports"][0]["targetPort"] == "http"
    _check_probes(gateway)
    [sleep] = [int(word) for word in gateway["lifecycle"]["preStop"]["exec"]["command"] if word.isdigit()]
    spare = pod["terminationGracePeriodSeconds"] - sleep - worker.LINGER_S - settings.drain_s
    assert spare > supervisor.GRACE_S
    security = gateway["securityContext"]
    assert security["runAsNonRoot"] is security["readOnlyRootFilesystem"] is True
    assert str(security["runAsUser"]) == USER
    assert f"USER {USER}:" in (ROOT / "Dockerfile").read_text()


def _check_probes(container: dict[str, Any]) -> None:
    paths = {name: container[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "liveness", "readiness")}
    assert paths == {"startup": "/live", "liveness": "/live", "readiness": "/ready"}
    assert {container[f"{name}Probe"]["httpGet"]["port"] for name in paths} == {"admin"}
    for path in paths.values():
        assert f"`GET {path}`" in PAGE


class _Unit(configparser.ConfigParser):
    """systemd's options have capitals."""

    def optionxform(self, optionstr: str) -> str:
        return optionstr


def _unit(name: str) -> configparser.ConfigParser:
    unit = _Unit(interpolation=None, delimiters=("=",), comment_prefixes=("#",), strict=True)
    unit.read_string((ROOT / "deploy" / name).read_text())
    return unit
