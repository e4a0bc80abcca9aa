"""Switches: how an emulator behaves where its vendor documents nothing, and the faults it can have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args, get_origin, get_type_hints


@dataclass
class Switches:
    """Faults hit the API (never the portal pages); `fault_path` narrows them to paths with that prefix.

    `status` answers with that error; `hang` never answers; `html` is a 200 maintenance page; `huge` is 40 MB
    of spaces and then `true`; `trickle` sends a byte now and then for ever.
    """

    latency_s: float = 0.0
    status: int = 0
    fault: Literal["none", "hang", "html", "huge", "trickle"] = "none"
    fault_path: str = "/"
    rate_limit_per_minute: int = 0

    def update(self, changes: Mapping[str, Any]) -> None:
        """Set several switches at once, all or nothing.

        Raises ValueError naming the first unknown switch or unsuitable value.
        """
        hints = get_type_hints(type(self))
        for name, value in changes.items():
            if name not in hints:
                raise ValueError(f"no switch {name!r}; there are {', '.join(sorted(hints))}")
            if not _suits(value, hints[name]):
                raise ValueError(f"switch {name!r} cannot be {value!r}")
        for name, value in changes.items():
            setattr(self, name, value)

    def reset(self) -> None:
        for switch in fields(self):
            setattr(self, switch.name, switch.default)


def _suits(value: Any, hint: Any) -> bool:
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    if hint is float:
        return type(value) in (int, float)
    return type(value) is hint


@dataclass
class PlanhatSwitches(Switches):
    """Planhat documents neither form nor status of both answers; the defaults are what its article suggests.

    `access_form` is the form of a yes (and of a no told as `false`); `unknown` is a 200 that says neither.
    `evil_link` makes the minted link point to another host. `email_filter_ignored` lets the list of end users
    answer everybody, as an API does that does not know a query parameter.
    """

    rate_limit_per_minute: int = 200
    access_form: Literal["json", "text", "object", "unknown"] = "json"
    no_access: Literal["false", "404", "403"] = "false"
    mint_form: Literal["text", "json", "object"] = "text"
    extid_supported: bool = True
    email_filter_ignored: bool = False
    evil_link: bool = False
    link_ttl_s: float = 30.0
    link_single_use: bool = True


@dataclass
class RocketlaneSwitches(Switches):
    """`bare_company_id_ignored` is the trap of the help article's `companyId=` filter.

    `frame_ancestors` and `x_frame_options` go into the headers of the embedded pages as they are; empty sends
    none. `jwt_joining` and `customer_domains_only` are two of the customer portal's invite configurations.
    """

    rate_limit_per_minute: int = 400
    list_rate_limit_per_minute: int = 60
    bare_company_id_ignored: bool = True
    team_members_in_lists: bool = True
    frame_ancestors: str = ""
    x_frame_options: str = ""
    token_single_use: bool = False
    jwt_joining: bool = True
    customer_domains_only: bool = False
