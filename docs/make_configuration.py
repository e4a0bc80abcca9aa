"""Writes docs/configuration.md from the settings schema; `make reference` runs it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from portal_gateway.settings import Settings

INTRO = """\
# Configuration

One YAML file (or a mapping of the same shape, in Python). Unknown keys are errors; `portal-gateway check FILE` lists
everything that is wrong at once, each with its path and line. `portal-gateway init` writes a commented file to start
from, `portal-gateway schema` prints the JSON Schema that editors understand, and [config/](../config) holds examples.

A **secret** is never written into the file: `{env: NAME}` takes it from an environment variable, `{file: PATH}` from a
file, relative to the configuration.

**Templates** such as `extid-{id}` know `{id}`, `{email}`, `{name}`, `{company_id}` and `{attributes.NAME}`. A user who
lacks a field that a portal's template needs is not let in, and told so.

This page is made from the schema by `docs/make_configuration.py`.
"""

TITLES = {
    "Settings": "Top level",
    "BrandSettings": "brand",
    "CacheSettings": "cache",
    "ForgetSettings": "forget",
    "JoiningSettings": "joining",
    "LinkKey": "joining: keys",
    "LogoutSettings": "logout",
    "MailSettings": "mail",
    "UpstreamTls": "upstream_tls",
    "UpstreamTimeouts": "upstream_timeouts",
    "ClientSettings": "client_limits",
    "ScopeIdentity": "identity: scope",
    "HeadersIdentity": "identity: headers",
    "JwtIdentity": "identity: jwt",
    "WhoamiIdentity": "identity: whoami",
    "FieldMap": "field maps (session, user, claims, fields)",
    "PlanhatPortal": "portals: planhat",
    "RocketlanePortal": "portals: rocketlane",
    "SigningSettings": "signing",
    "ProjectSettings": "project",
    "JoinSettings": "join",
    "InvitationSettings": "join: invitations",
    "InvitePermission": "join: invitations: allow",
    "JoinLimits": "join: limits",
    "SsoSettings": "sso",
    "PlanhatLimits": "limits of Planhat",
    "RocketlaneLimits": "limits of Rocketlane",
    "AccessSettings": "access",
    "FrameSettings": "frame",
    "HookSettings": "hook",
    "InjectRule": "inject",
}


def reference() -> str:
    schema = Settings.model_json_schema(by_alias=True)
    definitions = {"Settings": schema, **schema["$defs"]}
    parts = [INTRO]
    for name, title in TITLES.items():
        definition = definitions.pop(name)
        parts.append(f"## {title}\n\n{_first_paragraph(definition)}\n\n" + "\n".join(_table(definition)) + "\n")
    left = [name for name, definition in definitions.items() if "properties" in definition]
    if left:
        raise SystemExit(f"not documented: {', '.join(left)}")
    return "\n".join(parts)


def _table(definition: dict[str, Any]) -> Iterator[str]:
    required = definition.get("required", [])
    yield "| key | default | meaning |"
    yield "| --- | --- | --- |"
    for key, field in definition["properties"].items():
        default = "**required**" if key in required else _default(field)
        yield f"| `{key}` | {default} | {_cell(field.get('description', ''))}{_values(field)} |"


def _default(field: dict[str, Any]) -> str:
    value = field.get("default")
    if value in (None, [], {}) or "default" not in field:
        return ""
    if isinstance(value, dict):  # of a section of its own, or of a field map
        return "standard claims" if field.get("$ref", "").endswith("/FieldMap") else "see there"
    if isinstance(value, list):
        return ", ".join(f"`{item}`" for item in value)
    return f"`{_cell(str(value).lower() if isinstance(value, bool) else str(value))}`"


def _values(field: dict[str, Any]) -> str:
    values = field.get("enum") or [o for option in field.get("anyOf", ()) for o in option.get("enum", ())]
    text = " \\| ".join(f"`{value}`" for value in values)
    return f" ({text})" if text else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _first_paragraph(definition: dict[str, Any]) -> str:
    return str(definition.get("description", "")).split("\n\n")[0].replace("\n", " ")


if __name__ == "__main__":
    print(reference(), end="")
