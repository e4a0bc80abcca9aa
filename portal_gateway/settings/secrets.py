"""One secret type: named in the configuration by environment variable or file, never written there, never shown."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any, NoReturn

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from portal_gateway.settings.files import located

_FORM = "write a secret as {env: NAME} or {file: PATH}; a value in the configuration itself is not accepted"
_ENV_FORM = "env takes the name of an environment variable (letters, digits and _), whose value is the secret"
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MAX_FILE_BYTES = 64 * 1024  # keys have a few KB


class Secret:
    """A secret value. `reveal()` gives it; str, repr, dumps of settings and error messages do not."""

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

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled: load the settings where they are needed")

    def __deepcopy__(self, _memo: object) -> Secret:
        return self

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
    def __get_pydantic_json_schema__(cls, _schema: CoreSchema, _handler: GetJsonSchemaHandler) -> dict[str, Any]:
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
    # What is shown of a wrong value is a variable's name or a path, so nothing else gets that far: a token or PEM
    # text in the place of either is not shown.
    match value:
        case {"env": str(name), **rest} if not rest:
            if not _VARIABLE.fullmatch(name):
                raise PydanticCustomError("secret_env", _ENV_FORM)
            return _from_environment(name, context.get("environ", os.environ))
        case {"file": str(path), **rest} if not rest and path.isprintable() and path:
            return _from_file(path, info)
    raise PydanticCustomError("secret_form", _FORM)


def _from_environment(name: str, environ: Mapping[str, str]) -> Secret:
    # Bytes that are not UTF-8 are surrogates in os.environ.
    value = environ.get(name, "").encode("utf-8", "surrogateescape")
    state = "is empty" if name in environ else "is not set"
    return Secret(_text(value, f"environment variable {name}", state), f"env {name}")


def _from_file(path: str, info: core_schema.ValidationInfo) -> Secret:
    try:
        with located(path, info).open("rb") as file:
            value = file.read(_MAX_FILE_BYTES + 1)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise PydanticCustomError(
            "secret_file", "cannot read secret file {path}: {reason}", {"path": path, "reason": reason}
        ) from None
    if len(value) > _MAX_FILE_BYTES:
        message = "secret file {path} is larger than {limit} bytes (expected a token or PEM)"
        raise PydanticCustomError("secret_file", message, {"path": path, "limit": _MAX_FILE_BYTES})
    return Secret(_text(value, f"secret file {path}", "is empty"), f"file {path}")


def _text(value: bytes, where: str, if_empty: str) -> bytes:
    """`value` without blanks around it: editors and `echo` add a newline that no token has; PEM does not mind."""
    value = value.strip()
    if not value:
        raise PydanticCustomError("secret_empty", "{where} {state}", {"where": where, "state": if_empty})
    try:
        value.decode()
    except UnicodeDecodeError:
        message = "{where} is not text (expected a token or PEM)"
        raise PydanticCustomError("secret_text", message, {"where": where}) from None
    return value
