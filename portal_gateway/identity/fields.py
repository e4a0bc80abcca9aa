"""From claims, JSON, a session or a user object to an end user: strict about what can be an id."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from portal_gateway.models import EndUser
from portal_gateway.settings.identity import FieldMap

# Values without members of their own: `email.upper` must not find a method.
_PLAIN = (str, bytes, bytearray, int, float, list, tuple, set, frozenset, type(None))


def user_from(values: object, fields: FieldMap) -> EndUser | None:
    """The end user that `values` (a mapping, or an object with attributes) describes; None without a usable
    id.

    A field of the wrong type counts as absent: a list or a bool never becomes somebody's id by `str()`.
    """
    user_id = _text(_find(values, fields.id))
    if user_id is None:
        return None
    return EndUser(
        id=user_id,
        email=_field(values, fields.email),
        email_verified=_is_true(fields.email_verified and _find(values, fields.email_verified)),
        name=_field(values, fields.name),
        company_id=_field(values, fields.company_id),
        attributes=_attributes(values, fields.attributes),
    )


def _field(values: object, path: str | None) -> str | None:
    return None if path is None else _text(_find(values, path))


def _attributes(values: object, paths: Mapping[str, str]) -> dict[str, str | int | float | bool]:
    found = {}
    for name, path in paths.items():
        value = _find(values, path)
        if isinstance(value, UUID):
            value = str(value)
        if isinstance(value, str | int | float):
            found[name] = value
    return found


def _find(values: object, path: str) -> object:
    """What stands at `path`, or None. A key with dots of its own ("https://acme.com/company") comes first."""
    if isinstance(values, _PLAIN):
        return None
    whole = _member(values, path)
    if whole is not None or "." not in path:
        return whole
    head, _, rest = path.partition(".")
    return _find(_member(values, head), rest)


def _member(values: object, name: str) -> object:
    try:
        # Mostly a dict, which is told at once; asking an abstract class takes its time.
        return values.get(name) if isinstance(values, (dict, Mapping)) else getattr(values, name, None)
    except Exception:
        # Starlette's BaseUser.identity raises NotImplementedError, Django's lazy user whatever its database
        # does.
        return None


def _text(value: object) -> str | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | UUID):
        return str(value)
    return value if isinstance(value, str) and value.strip() else None


def _is_true(value: object) -> bool:
    return value is True or value in ("true", "1") or (value == 1 and isinstance(value, int))
