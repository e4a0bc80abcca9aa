"""Templates and static files of the sandbox's pages."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.templating import Jinja2Templates

templates = Jinja2Templates(
    env=Environment(
        loader=PackageLoader("portal_gateway.sandbox"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
)


def static_files(name: str) -> Mount:
    """`/static`, serving one app's own folder."""
    return Mount("/static", StaticFiles(directory=Path(__file__).parent / "static" / name), name="static")
