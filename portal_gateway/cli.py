"""The command line. Each command is a function that returns the exit status; messages go to people, not tracebacks.

Exit status: 0 done, 1 something is wrong with the configuration, the address or the page, 2 wrong arguments.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import stat
import sys
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from portal_gateway._version import __version__
from portal_gateway.errors import SettingsError
from portal_gateway.listening import AddressTaken, base_url, listen


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
    from portal_gateway.serving import serve_sidecar, settings_for_serving
    from portal_gateway.sidecar import create_sidecar

    settings = settings_for_serving(options.config, options.upstream)
    create_sidecar(settings)  # everything that can be wrong is found before the address is taken
    listener = listen(options.host, options.port)
    _say(f"Portal Gateway {__version__} on {base_url(listener)}, in front of {settings.upstream}")
    serve_sidecar(options.config, options.upstream, listener, options.workers)
    return 0


def check(options: argparse.Namespace) -> int:
    from portal_gateway.settings import load_settings
    from portal_gateway.settings.advice import advice

    settings = load_settings(options.config)
    for problem in advice(settings):
        print(f"warning: {problem}")
    portals = ", ".join(f"{name} ({portal.provider})" for name, portal in settings.portals.items())
    print(f"{options.config}: fine; portals: {portals}")
    return 0


def explain(options: argparse.Namespace) -> int:
    from portal_gateway.explaining import PageUnavailable, explain_file, explain_url

    try:
        if options.url is None:
            content_type = options.content_type or "text/html"
            report, lands = explain_file(options.config, options.page, options.path or "/", content_type)
        elif options.content_type is None:
            report, lands = explain_url(options.config, options.url, options.path)
        else:
            return _fail("--content-type is for a saved page: the answer of a URL has its own")
    except PageUnavailable as error:
        return _fail(str(error))
    print(report)
    return 0 if lands else 1


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
    command.add_argument("--workers", type=_positive, default=1, metavar="N", help="processes (default 1)")
    _add_address(command, port=8080)
    command.set_defaults(run=serve)

    command = commands.add_parser("check", help="say everything that is wrong with a configuration")
    command.add_argument("config", metavar="FILE")
    command.set_defaults(run=check)

    command = commands.add_parser("explain", help="where the inject rules land in a page, or why they do not")
    command.add_argument("--config", required=True, metavar="FILE", help="YAML configuration")
    source = command.add_mutually_exclusive_group(required=True)
    source.add_argument("--page", metavar="FILE", help="a saved page")
    source.add_argument("--url", metavar="URL", help="fetched once, as a browser would without signing in")
    command.add_argument("--path", type=_path, metavar="PATH", help="the path of the page, for the rules' `paths`")
    command.add_argument("--content-type", metavar="TYPE", help="of a saved page (default text/html)")
    command.set_defaults(run=explain)

    command = commands.add_parser("init", help="write a commented configuration to start from")
    command.add_argument("path", nargs="?", default="portal-gateway.yaml", metavar="FILE")
    command.set_defaults(run=init)

    command = commands.add_parser("schema", help="print the JSON Schema of the configuration")
    command.set_defaults(run=schema)

    command = commands.add_parser("keygen", help="make a key pair for Rocketlane; print the public key")
    command.add_argument("--algorithm", choices=("RS256", "ES256"), default="RS256")
    command.add_argument("--out", default="portal-gateway.pem", metavar="FILE", help="where the private key goes")
    command.set_defaults(run=keygen)

    command = commands.add_parser("sandbox", help="the vendor emulators alone")
    command.add_argument("--host", default="127.0.0.1")
    command.add_argument("--planhat-port", type=_port, default=8101)
    command.add_argument("--rocketlane-port", type=_port, default=8102)
    command.set_defaults(run=sandbox, port_option="--planhat-port or --rocketlane-port")
    return parser


def _add_address(command: argparse.ArgumentParser, port: int) -> None:
    command.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    command.add_argument("--port", type=_port, default=port, help=f"default {port}; 0 takes a free one")
    command.set_defaults(port_option="--port")


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError("a port is a number from 0 to 65535")
    return int(text)


def _path(text: str) -> str:
    if not text.startswith("/"):
        raise argparse.ArgumentTypeError('a path starts with "/"')
    return text


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("must be a number from 1")
    return int(text)


def _say(text: str) -> None:
    """To people, at once, and not into a pipe that takes the result."""
    print(text, file=sys.stderr, flush=True)


def _fail(text: str) -> int:
    print(f"portal-gateway: {text}", file=sys.stderr)
    return 1
