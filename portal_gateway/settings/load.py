"""Loading: a path, a mapping or ready Settings in; Settings out, or every problem at once with path and line."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from portal_gateway.errors import Problem, SettingsError
from portal_gateway.settings.schema import Settings
from portal_gateway.settings.yaml_source import YamlDocument

_MAX_BYTES = 1024 * 1024

Location = tuple[str | int, ...]


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
        return _validate({**config, **overrides}, None, "config", {"environ": environ, "base_dir": Path()})
    path = Path(config)
    document = YamlDocument(_read(path), str(path))
    values = document.values
    if overrides and isinstance(values, dict):
        values = {**values, **overrides}
    return _validate(values, document, str(path), {"environ": environ, "base_dir": path.parent})


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise SettingsError([Problem("", f"cannot be read: {error.strerror}")], str(path)) from None
    if len(data) > _MAX_BYTES:
        raise SettingsError([Problem("", f"is larger than {_MAX_BYTES} bytes")], str(path))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SettingsError([Problem("", "is not UTF-8 text", line)], str(path)) from None


def _validate(
    values: Any, document: YamlDocument | None, source: str, context: Mapping[str, Any]
) -> Settings:
    if values is None:
        values = {}
    problems = (
        [Problem(_dotted(path), "written twice", line) for path, line in document.duplicates]
        if document
        else []
    )
    try:
        settings = Settings.model_validate(values, context=context)
    except ValidationError as error:
        details = error.errors(include_url=False)
        problems += [_problem(detail, values, document) for detail in details]
        settings = None
    problems += [
        Problem(_dotted(path), message, document.line_of(path) if document else None)
        for path, message in _contradictions(values)
    ]
    if problems or settings is None:
        # A union reports the same mistake once per member.
        raise SettingsError(sorted(dict.fromkeys(problems), key=lambda p: p.line or 0), source)
    return settings


def _contradictions(values: Any) -> Iterable[tuple[Location, str]]:
    """What no single key can tell. Works on the raw values, so that it is reported beside all other problems."""
    if not isinstance(values, Mapping):
        return
    sources = values.get("identity") or ()
    if isinstance(sources, list | tuple):
        for index, source in enumerate(sources):
            is_headers = isinstance(source, Mapping) and source.get("source") == "headers"
            if is_headers and not values.get("trusted_proxies"):
                yield ("identity", index), "headers are believed only from trusted_proxies, which is empty"


def _problem(detail: ErrorDetails, values: Any, document: YamlDocument | None) -> Problem:
    path = _written_path(detail["loc"], values)
    line = document.line_of(path) if document else None
    return Problem(_dotted(path), _message(detail, path), line)


def _written_path(loc: Location, values: Any) -> Location:
    """`loc` as the author wrote it: pydantic also lists the tags of unions and says '[key]' for bad keys."""
    path: list[str | int] = []
    for position, part in enumerate(loc):
        is_last = position == len(loc) - 1
        if part == "[key]":
            continue
        if isinstance(values, Mapping):
            if part in values:
                values = values[part]
            elif not is_last:
                continue  # the tag of a discriminated union
        elif isinstance(values, list | tuple) and isinstance(part, int) and part < len(values):
            values = values[part]
        elif not is_last or isinstance(part, str):
            continue
        path.append(part)
    return tuple(path)


def _message(detail: ErrorDetails, path: Location) -> str:
    context = detail.get("ctx", {})
    match detail["type"]:
        case "extra_forbidden":
            return "unknown key" + _suggestion(str(path[-1]), detail["loc"])
        case "missing":
            return "is required"
        case "union_tag_not_found":
            return f"{str(context['discriminator']).strip(chr(39))!r} is required; one of {_tags(path)}"
        case "union_tag_invalid":
            return (
                f"unknown {context['discriminator'].strip(chr(39))} {context['tag']!r}; known are {context['expected_tags']}"
            )
        case "value_error":
            return str(context["error"])
        case "model_type" | "model_attributes_type" | "dict_type":
            return "must be a mapping of keys to values"
        case "ip_any_network" | "ip_v4_network" | "ip_v6_network":
            return "must be a network such as 10.0.0.0/8 or an address such as 127.0.0.1"
    message = detail["msg"]
    return message[0].lower() + message[1:]


def _tags(path: Location) -> str:
    return "scope, headers, jwt, whoami" if path[:1] == ("identity",) else "planhat, rocketlane"


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
