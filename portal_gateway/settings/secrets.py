"""One secret type: named in the configuration by environment variable or file, never written there, never shown."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

_FORM = "write a secret as {env: NAME} or {file: PATH}; a value in the configuration itself is not accepted"


class Secret:
    """A secret value. `reveal()` gives it; str, repr, pickles of settings and error messages do not."""

    __slots__ = ("_value", "source")

    def __init__(self, value: bytes, source: str) -> None:
        self._value = value
        self.source = source

    def reveal(self) -> str:
        return self._value.decode()

    def reveal_bytes(self) -> bytes:
        return self._value

    def __repr__(self) -> str:
        return f"Secret({self.source})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(
            _resolve,
            serialization=core_schema.plain_serializer_function_ser_schema(lambda s: f"<{s.source}>"),
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, _schema: CoreSchema, _handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        def one_key(name: str, text: str) -> dict[str, Any]:
            field = {"type": "string", "minLength": 1, "description": text}
            return {
                "type": "object",
                "properties": {name: field},
                "required": [name],
                "additionalProperties": False,
            }

        return {
            "oneOf": [
                one_key("env", "name of an environment variable"),
                one_key("file", "path of a file, relative to the configuration file"),
            ]
        }


def _resolve(value: object, info: core_schema.ValidationInfo) -> Secret:
    if isinstance(value, Secret):
        return value
    context: Mapping[str, Any] = info.context or {}
    match value:
        case {"env": str(name), **rest} if not rest and name:
            return _from_environment(name, context.get("environ", os.environ))
        case {"file": str(path), **rest} if not rest and path:
            return _from_file(path, context.get("base_dir", Path()))
    raise PydanticCustomError("secret_form", _FORM)


def _from_environment(name: str, environ: Mapping[str, str]) -> Secret:
    value = environ.get(name, "")
    if not value:
        state = "is empty" if name in environ else "is not set"
        raise PydanticCustomError(
            "secret_env", "environment variable {name} {state}", {"name": name, "state": state}
        )
    return Secret(value.encode(), f"env {name}")


def _from_file(path: str, base_dir: Path) -> Secret:
    location = base_dir / path
    try:
        value = location.read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise PydanticCustomError(
            "secret_file", "cannot read secret file {path}: {reason}", {"path": path, "reason": reason}
        ) from None
    # Editors and `echo` end files with a newline that is not part of a token; PEM does not mind.
    value = value.strip()
    if not value:
        raise PydanticCustomError("secret_file", "secret file {path} is empty", {"path": path})
    try:
        value.decode()
    except UnicodeDecodeError:
        raise PydanticCustomError(
            "secret_file", "secret file {path} is not text (expected a token or PEM)", {"path": path}
        ) from None
    return Secret(value, f"file {path}")
