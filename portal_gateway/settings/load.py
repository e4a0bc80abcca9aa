"""Loading: a path, a mapping or ready Settings in; Settings out, or every problem at once with path and line."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterable, Mapping
from ipaddress import ip_network
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from portal_gateway.errors import Problem, SettingsError
from portal_gateway.settings.contradictions import Location, contradictions
from portal_gateway.settings.files import Reading, nobody_watches
from portal_gateway.settings.schema import Settings
from portal_gateway.settings.yaml_source import YamlDocument

_MAX_BYTES = 1024 * 1024


def load_settings(
    config: Settings | Mapping[str, Any] | str | os.PathLike[str],
    *,
    environ: Mapping[str, str] = os.environ,
    overrides: Mapping[str, Any] = MappingProxyType({}),
) -> Settings:
    """Settings from a YAML file, a mapping of the same shape, or Settings (returned as they are).

    `environ` is where `{env: NAME}` looks, `overrides` are top-level keys that win over the file's.
    Raises SettingsError listing every problem, each with its config path and, for a file, its line.
    """
    if isinstance(config, Settings):
        return config
    if isinstance(config, Mapping):
        return _validate({**config, **overrides}, "config", {"environ": environ, "base_dir": Path()})
    return load_file(Path(config), environ=environ, overrides=overrides)


def load_file(
    path: Path,
    *,
    environ: Mapping[str, str] = os.environ,
    overrides: Mapping[str, Any] = MappingProxyType({}),
    reading: Reading = nobody_watches,
) -> Settings:
    """As `load_settings`. `reading` is told of each file right before it is read, of this one and those it names."""
    reading(path)
    document = YamlDocument(_read(path), str(path))
    values = document.values
    if overrides and isinstance(values, dict):
        values = {**values, **overrides}

    def line_of(where: Location) -> int | None:
        return None if where and where[0] in overrides else document.line_of(where)

    context = {"environ": environ, "base_dir": path.parent, "reading": reading}
    return _validate(values, str(path), context, line_of, document.duplicates)


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL byte
        reason = getattr(error, "strerror", None) or str(error)
        raise SettingsError([Problem("", f"cannot be read: {reason}")], str(path)) from None
    if len(data) > _MAX_BYTES:
        raise SettingsError([Problem("", f"is larger than {_MAX_BYTES} bytes")], str(path))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SettingsError([Problem("", "is not UTF-8 text", line)], str(path)) from None


def _validate(
    values: Any,
    source: str,
    context: Mapping[str, Any],
    line_of: Callable[[Location], int | None] = lambda _path: None,
    duplicates: Iterable[tuple[Location, int]] = (),
) -> Settings:
    if values is None:
        values = {}
    problems = [Problem(_dotted(path), "written twice; keep one", line) for path, line in duplicates]
    found: list[tuple[Location, str]] = list(contradictions(values))
    settings = None
    try:
        settings = Settings.model_validate(values, context=context)
    except ValidationError as error:
        details = error.errors(include_url=False)
        found += [_path_and_message(detail, values) for detail in details if not _is_consequence(detail)]
    except RecursionError:  # Jinja's parser, for one, has no limit of its own
        found.append(((), "a value is nested too deeply"))
    problems += [Problem(_dotted(path), message, line_of(path)) for path, message in found]
    if problems or settings is None:
        # A union reports the same mistake once per member.
        raise SettingsError(sorted(dict.fromkeys(problems), key=lambda p: p.line or 0), source)
    return settings


def _is_consequence(detail: ErrorDetails) -> bool:
    """A list whose items are all wrong is called too short as well."""
    return detail["type"] == "too_short" and len(detail["input"]) >= detail["ctx"]["min_length"]


def _path_and_message(detail: ErrorDetails, values: Any) -> tuple[Location, str]:
    loc = detail["loc"]
    if detail["type"] in ("union_tag_not_found", "union_tag_invalid"):
        path = (*_written_path(loc, values, ends_unwritten=False), _discriminator(detail))
    else:
        path = _written_path(loc, values, ends_unwritten=detail["type"] == "missing")
    return path, _message(detail, path)


def _written_path(loc: Location, values: Any, *, ends_unwritten: bool) -> Location:
    """`loc` as the author wrote it: pydantic also lists the tags of unions and says '[key]' for bad keys."""
    path: list[str | int] = []
    for position, part in enumerate(loc):
        if _holds(values, part):
            values = values[part]
        elif not (ends_unwritten and position == len(loc) - 1):
            continue
        path.append(part)
    return tuple(path)


def _holds(values: Any, part: str | int) -> bool:
    if isinstance(values, Mapping):
        return part in values
    return isinstance(values, list | tuple) and isinstance(part, int) and part < len(values)


def _message(detail: ErrorDetails, path: Location) -> str:
    context = detail.get("ctx", {})
    match detail["type"]:
        case "extra_forbidden":
            if detail["loc"][2:] == ("planhat", "join"):
                return "Planhat's API cannot add people: invite them in Planhat; only Rocketlane portals can be joined"
            return "unknown key" + _suggestion(str(path[-1]), detail["loc"])
        case "missing":
            return "is required"
        case "union_tag_not_found":
            return f"is required; one of {', '.join(_tags(path))}"
        case "union_tag_invalid":
            tag = detail["input"].get(path[-1])
            unknown = f"unknown {path[-1]}" + (f" {tag!r}" if isinstance(tag, str) else "")
            return f"{unknown}; known are {', '.join(_tags(path))}"
        case "value_error":
            return str(context["error"])
        case "ip_v4_network" | "ip_v6_network":  # one of each for the same value
            return _network_message(detail["input"])
        case kind if kind in _MESSAGES:
            return _MESSAGES[kind]
    message = detail["msg"]
    return message[0].lower() + message[1:]


# What pydantic says in terms of Python.
_MESSAGES = {
    "model_type": "must be a mapping of keys to values",
    "model_attributes_type": "must be a mapping of keys to values",
    "dict_type": "must be a mapping of keys to values",
    "tuple_type": "must be a list",
    "string_type": "must be a text; put a number, date or yes and no in quotes if they are meant as text",
    "invalid_key": "keys must be texts; put it in quotes",
    "too_short": "must not be empty",
    "string_too_short": "must not be empty",
}


def _network_message(value: object) -> str:
    try:
        return f"has bits set to the right of the mask; write {ip_network(str(value), strict=False)}"
    except ValueError:
        return "must be a network such as 10.0.0.0/8 or an address such as 127.0.0.1"


def _discriminator(detail: ErrorDetails) -> str:
    return str(detail["ctx"]["discriminator"]).strip("'")


def _tags(path: Location) -> list[str]:
    """What the discriminator at the end of `path` may be."""
    members = _models_in(Settings.model_fields[str(path[0])].annotation)
    return [tag for member in members for tag in get_args(member.model_fields[str(path[-1])].annotation)]


def _suggestion(name: str, loc: Location) -> str:
    known = sorted(_known_keys(loc[:-1]))
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; known here: {', '.join(known)}" if known else ""


def _known_keys(loc: Location) -> list[str]:
    """The keys of the model that `loc` leads to."""
    models: list[Any] = [Settings]
    for part in loc:
        models = [found for model in models for found in _step(model, part)] or models
    return [
        field.alias or name
        for model in models
        if isinstance(model, type) and issubclass(model, BaseModel)
        for name, field in model.model_fields.items()
    ]


def _step(model: Any, part: str | int) -> list[Any]:
    """The models one step of an error location leads to; a union's tag chooses one of its members."""
    if isinstance(model, type) and issubclass(model, BaseModel):
        for name, field in model.model_fields.items():
            if part in (name, field.alias):
                return list(_models_in(field.annotation))
        discriminators = ("source", "provider")
        tags = [get_args(model.model_fields[d].annotation) for d in discriminators if d in model.model_fields]
        return [model] if any(part in tag for tag in tags) else []
    return []


def _models_in(annotation: Any) -> Iterable[Any]:
    if isinstance(annotation, type) and get_origin(annotation) is None:
        if issubclass(annotation, BaseModel):
            yield annotation
        return
    for argument in get_args(annotation):
        yield from _models_in(argument)


def _dotted(path: Location) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text
