"""The command line. Each command is a function that returns the exit status; messages go to people, not tracebacks.

Exit status: 0 done, 1 something is wrong with the configuration, the address or the page, 2 wrong arguments.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import socket
import stat
import sys
import time
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from portal_gateway._version import __version__
from portal_gateway.arguments import end_user, page_path, port_number, positive_number
from portal_gateway.errors import SettingsError
from portal_gateway.listening import AddressTaken, base_url, listen, listen_unix, passed_listener
from portal_gateway.models import EndUser

if TYPE_CHECKING:
    from portal_gateway.settings import Settings


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status."""
    options = _parser().parse_args(arguments)
    try:
        status: int = options.run(options)
    except SettingsError as error:
        return _fail(error.message)
    except AddressTaken as error:
        return _fail(f"{error}; choose another with {options.port_option}")
    except KeyboardInterrupt:
        return 130
    return status


def demo(options: argparse.Namespace) -> int:
    from portal_gateway.sandbox.demo import run_demo

    asyncio.run(run_demo(options.host, options.port))
    return 0


def sandbox(options: argparse.Namespace) -> int:
    from portal_gateway.sandbox.demo import run_sandbox

    asyncio.run(run_sandbox(options.host, options.planhat_port, options.rocketlane_port))
    return 0


def serve(options: argparse.Namespace) -> int:
    from portal_gateway.serving.run import serve_sidecar
    from portal_gateway.serving.service import Service

    service = Service(options.config, options.upstream)
    settings = service.settings
    if options.workers > 1 and settings.joins and settings.cache is None:
        return _fail("portals with `join` need a `cache` for several workers: each would know only links of its own")
    with contextlib.ExitStack() as listeners:
        try:
            admin = listeners.enter_context(_listen_for_operators(settings.admin)) if settings.admin else None
        except AddressTaken as error:
            return _fail(f"{error}; choose another with `admin` in {options.config}")
        listener = listeners.enter_context(passed_listener() or listen(options.host, options.port))
        _say(f"Portal Gateway {__version__} on {base_url(listener)}, in front of {_in_words(settings.upstreams)}")
        if admin is not None:
            _say(f"Status, probes and metrics on {base_url(admin)}")
        serve_sidecar(service, listener, admin, workers=options.workers, watch=options.watch)
    return 0


def _in_words(upstreams: Mapping[str, str]) -> str:
    """`http://127.0.0.1:8000, http://127.0.0.1:9000 (/api)`."""
    return ", ".join(url if prefix == "/" else f"{url} ({prefix})" for prefix, url in sorted(upstreams.items()))


def _listen_for_operators(address: str) -> socket.socket:
    from portal_gateway.settings.admin import parse_admin_address

    where = parse_admin_address(address)
    return listen_unix(where) if isinstance(where, str) else listen(*where)


def check(options: argparse.Namespace) -> int:
    from portal_gateway.settings import load_settings
    from portal_gateway.settings.advice import advice

    if options.user is not None and not options.online:
        options.usage_error("--user is for --online: without it nobody is asked about users")
    settings = load_settings(options.config)
    for problem in advice(settings):
        print(f"warning: {problem}")
    portals = ", ".join(f"{name} ({portal.provider})" for name, portal in settings.portals.items())
    print(f"{options.config}: fine; portals: {portals}")
    return _check_online(settings, options.user) if options.online else 0


def _check_online(settings: Settings, user: EndUser | None) -> int:
    from portal_gateway.probing.findings import described, problems
    from portal_gateway.probing.online import probe

    found = 0
    for section in probe(settings, user):
        print("", *described(section), sep="\n", flush=True)
        found += problems(section)
    print(f"\n{found} problem{'' if found == 1 else 's'} found online")
    return 1 if found else 0


def explain(options: argparse.Namespace) -> int:
    from portal_gateway.explaining import PageUnavailable, explain_file, explain_url
    from portal_gateway.explaining_access import explain_user

    reports = []
    try:
        if options.page is not None:
            content_type = options.content_type or "text/html"
            reports.append(explain_file(options.config, options.page, options.path or "/", content_type))
        elif options.content_type is not None:
            return _fail("--content-type is for a saved page: the answer of a URL has its own")
        elif options.url is not None:
            reports.append(explain_url(options.config, options.url, options.path))
    except PageUnavailable as error:
        return _fail(str(error))
    if options.user is not None:
        reports.append(explain_user(options.config, options.user, options.path))
    if not reports:
        options.usage_error("say what to explain: a page with --page or --url, a user with --user, or both")
    print("\n\n".join(report for report, _ in reports))
    return 0 if all(shown for _, shown in reports) else 1


def schema(_options: argparse.Namespace) -> int:
    from portal_gateway.settings import Settings

    print(json.dumps(Settings.model_json_schema(by_alias=True), indent=2))
    return 0


def init(options: argparse.Namespace) -> int:
    path = Path(options.path)
    text = files("portal_gateway.settings").joinpath("starter.yaml").read_text(encoding="utf-8")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        return _fail(f"{path} exists already and is left as it is; give another path")
    except OSError as error:
        return _fail(f"cannot write {path}: {error.strerror}")
    print(f"{path} written. Next: fill it in, then `portal-gateway check {path}`")
    return 0


def keygen(options: argparse.Namespace) -> int:
    from portal_gateway.providers.signing import generate_key_pair

    private_pem, public_pem = generate_key_pair(options.algorithm)
    path = Path(options.out)
    try:
        # Nobody but the owner may read it, from the first byte on; an existing key is never overwritten.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, stat.S_IRUSR | stat.S_IWUSR)
    except FileExistsError:
        return _fail(f"{path} exists already and is left as it is; give another path with --out")
    except OSError as error:
        return _fail(f"cannot write {path}: {error.strerror}")
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(private_pem)
    _say(f"Private key written to {path}; keep it secret. Upload this public key to the vendor:")
    print(public_pem, end="")
    return 0


def join_link(options: argparse.Namespace) -> int:
    from portal_gateway.joining.composition import keyring_of
    from portal_gateway.joining.shared_links import SharedLinks
    from portal_gateway.settings import load_settings

    settings = load_settings(options.config)
    join = settings.joins.get(options.portal)
    if settings.joining is None or join is None or not join.link:
        return _fail(f"{options.portal} has no shared link in {options.config}; set join: {{link: true}}")
    expires_at = int(time.time()) + options.days * 86_400
    key = SharedLinks(keyring_of(settings.joining)).key(options.portal, options.project, expires_at)
    print(f"{settings.public_url}{settings.mount_path}/{options.portal}/join/{key}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="portal-gateway", description="Vendor customer portals inside your own web app."
    )
    parser.add_argument("--version", action="version", version=f"portal-gateway {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("demo", help="the whole thing on this machine, no account needed")
    _add_address(command, port=8000)
    command.set_defaults(run=demo)

    command = commands.add_parser("serve", help="the sidecar: a reverse proxy in front of an HTTP app")
    command.add_argument("--config", required=True, metavar="FILE", help="YAML configuration")
    command.add_argument("--upstream", metavar="URL", help="the app behind it, instead of the configured one")
    command.add_argument("--workers", type=positive_number, default=1, metavar="N", help="processes (default 1)")
    command.add_argument(
        "--watch", action="store_true", help="reload when the configuration, or a file that it names, has changed"
    )
    _add_address(command, port=8080)
    command.set_defaults(run=serve)

    command = commands.add_parser("check", help="say everything that is wrong with a configuration")
    command.add_argument("config", metavar="FILE")
    command.add_argument(
        "--online", action="store_true", help="also ask vendors, key servers, app and cache; nothing is changed there"
    )
    _add_user(command, "an end user to ask the vendors about, with --online")
    command.set_defaults(run=check, usage_error=command.error)

    command = commands.add_parser("explain", help="why a portal is shown in a page to a user, or why not")
    command.add_argument("--config", required=True, metavar="FILE", help="YAML configuration")
    source = command.add_mutually_exclusive_group()
    source.add_argument("--page", metavar="FILE", help="a saved page")
    source.add_argument("--url", metavar="URL", help="fetched once, as a browser would without signing in")
    _add_user(command, "what the vendors say of this end user, and what follows")
    command.add_argument("--path", type=page_path, metavar="PATH", help="the path of the page, for the rules' `paths`")
    command.add_argument("--content-type", metavar="TYPE", help="of a saved page (default text/html)")
    command.set_defaults(run=explain, usage_error=command.error)

    command = commands.add_parser("init", help="write a commented configuration to start from")
    command.add_argument("path", nargs="?", default="portal-gateway.yaml", metavar="FILE")
    command.set_defaults(run=init)

    command = commands.add_parser("schema", help="print the JSON Schema of the configuration")
    command.set_defaults(run=schema)

    command = commands.add_parser("keygen", help="make a key pair for Rocketlane; print the public key")
    command.add_argument("--algorithm", choices=("RS256", "ES256"), default="RS256")
    command.add_argument("--out", default="portal-gateway.pem", metavar="FILE", help="where the private key goes")
    command.set_defaults(run=keygen)

    command = commands.add_parser("join-link", help="print a shared link, by which customers ask to join a project")
    command.add_argument("--config", required=True, metavar="FILE", help="YAML configuration")
    command.add_argument("--portal", required=True, metavar="NAME", help="a portal with `join: {link: true}`")
    command.add_argument("--project", required=True, type=positive_number, metavar="ID", help="the vendor's project id")
    command.add_argument("--days", type=positive_number, default=30, metavar="N", help="good for so long (default 30)")
    command.set_defaults(run=join_link)

    command = commands.add_parser("sandbox", help="the vendor emulators alone")
    command.add_argument("--host", default="127.0.0.1")
    command.add_argument("--planhat-port", type=port_number, default=8101)
    command.add_argument("--rocketlane-port", type=port_number, default=8102)
    command.set_defaults(run=sandbox, port_option="--planhat-port or --rocketlane-port")
    return parser


def _add_address(command: argparse.ArgumentParser, port: int) -> None:
    command.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    command.add_argument("--port", type=port_number, default=port, help=f"default {port}; 0 takes a free one")
    command.set_defaults(port_option="--port")


def _add_user(command: argparse.ArgumentParser, text: str) -> None:
    command.add_argument(
        "--user", nargs="+", action=_UserAction, metavar=("ID", "FIELD=VALUE"), help=f"{text}, e.g. 42 email=a@b.com"
    )


class _UserAction(argparse.Action):
    """Several words that are one value: argparse's `type` sees them one by one."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, _option: str | None = None
    ) -> None:
        try:
            setattr(namespace, self.dest, end_user(values))
        except ValueError as error:
            raise argparse.ArgumentError(self, str(error)) from None


def _say(text: str) -> None:
    """To people, at once, and not into a pipe that takes the result."""
    print(text, file=sys.stderr, flush=True)


def _fail(text: str) -> int:
    print(f"portal-gateway: {text}", file=sys.stderr)
    return 1
