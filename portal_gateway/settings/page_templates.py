"""A directory of templates that replace the gateway's own pages, checked when the settings are loaded.

What a page may use is listed here: a template that uses anything else is refused before a visitor meets it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

from jinja2 import (
    BaseLoader,
    ChoiceLoader,
    FileSystemLoader,
    PackageLoader,
    PrefixLoader,
    StrictUndefined,
    TemplateSyntaxError,
    meta,
)
from jinja2.sandbox import SandboxedEnvironment
from pydantic import AfterValidator, ValidationInfo

from portal_gateway.settings.files import located

# Under this prefix the gateway's own templates can be extended by those that replace them.
OWN = "own"

# What every page may use.
EVERYWHERE = frozenset(
    {"t", "language", "brand", "framed", "mount", "home_url", "css_url", "brand_css_url", "widget_url"}
)

# What else each page may use.
PAGES: Mapping[str, frozenset[str]] = {
    "base.html": frozenset(),
    "message.html": frozenset({"text", "kind", "retry_url", "sign_in_url"}),
    "picker.html": frozenset({"portals", "away"}),
    "chooser.html": frozenset({"portal", "choices"}),
    "portal.html": frozenset(
        {
            "portal",
            "embeds",
            "launch_url",
            "embed_url",
            "frame_attributes",
            "project",
            "choices",
            "invites",
            "referrer_policy",
        }
    ),
    "join.html": frozenset({"label", "email", "form"}),
    "join_sent.html": frozenset({"label"}),
    "accept.html": frozenset({"portal", "address", "token", "form"}),
    "accept_refused.html": frozenset({"text", "token", "form"}),
    "invitations.html": frozenset(
        {
            "portal",
            "projects",
            "invitations",
            "outcomes",
            "shared_links",
            "shared_days",
            "max_addresses",
            "max_message",
            "form",
        }
    ),
}


def page_environment(directory: Path | None, own: PackageLoader) -> SandboxedEnvironment:
    """The templates of `directory`, where it has them, and the gateway's own otherwise."""
    loaders: list[BaseLoader] = [own, PrefixLoader({OWN: own})]
    if directory is not None:
        loaders.insert(0, FileSystemLoader(directory))
    # What has been checked is what is served, until the gateway is started anew.
    return SandboxedEnvironment(
        loader=ChoiceLoader(loaders), autoescape=True, undefined=StrictUndefined, auto_reload=False
    )


def _checked(directory: Path, info: ValidationInfo) -> Path:
    directory = located(directory, info)
    if not directory.is_dir():
        raise ValueError(f"{directory} is not a directory")
    sources = {path.name: located(path, info) for path in sorted(directory.glob("*.html"))}
    problems = [problem for name, path in sources.items() for problem in _problems(name, path, frozenset(sources))]
    if problems:
        raise ValueError("; ".join(problems))
    return directory


def _problems(name: str, path: Path, siblings: frozenset[str]) -> Iterator[str]:
    if name not in PAGES and not name.startswith("_"):
        yield f"{name}: there is no such page; a part that several pages share is named with a leading underscore"
        return
    try:
        tree = SandboxedEnvironment(autoescape=True).parse(path.read_text("utf-8"))
    except TemplateSyntaxError as error:
        yield f"{name} line {error.lineno}: {error.message}"
        return
    except (OSError, UnicodeDecodeError, RecursionError):
        yield f"{name}: cannot be read as a template in UTF-8"
        return
    if name in PAGES:
        for unknown in sorted(meta.find_undeclared_variables(tree) - EVERYWHERE - PAGES[name]):
            yield f"{name}: this page knows no {unknown!r}"
    known = siblings | PAGES.keys() | {f"{OWN}/{page}" for page in PAGES}
    for other in meta.find_referenced_templates(tree):
        if other is None or other not in known:
            yield f"{name}: there is no template {other or 'of a computed name'!r}"


# Relative to the configuration file.
TemplatesDirectory = Annotated[Path, AfterValidator(_checked)]
