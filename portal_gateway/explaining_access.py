"""The command `explain --user`: what is known of one user's access, what the vendor says now, and what follows.

Nothing is minted and nothing remembered: the vendor is asked as a check asks it, past every cache.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TypeAlias

from portal_gateway.access.directory import Portal
from portal_gateway.access.report import Held
from portal_gateway.errors import AccessDenied, GatewayError
from portal_gateway.gateway import Gateway
from portal_gateway.models import Access, EndUser
from portal_gateway.portal.texts import text_for
from portal_gateway.settings import load_settings
from portal_gateway.wire.asgi import Receive, Scope, Send

# What the reasons of decisions mean, in words for people.
REASONS = {
    "vendor_yes": "the vendor says yes",
    "member": "the user is a customer of a project of the company",
    "will_be_invited": "the user is in no project yet and is invited at the launch",
    "stale_yes": "an old yes, since the vendor does not answer; it shows the link and opens nothing",
    "vendor_no": "the vendor says no",
    "vendor_forbidden": "the vendor answers 403",
    "vendor_not_found": "the vendor knows no such end user (404): is the form of the id right?",
    "unknown_end_user": "the vendor has no end user with this e-mail address",
    "ambiguous_end_user": "several end users have this e-mail address, and the company does not decide",
    "no_project": "the company has no project",
    "other_company": "the project belongs to another company",
    "project_archived": "the project is archived",
    "not_a_member": "the user is no customer of the project",
    "email_not_verified": "the user would be invited, but the e-mail address is not verified",
    "domain_not_allowed": "the domain of the e-mail address is not in allowed_domains",
}


# What the vendor answers now: a decision, or why there is none.
Asked: TypeAlias = Access | GatewayError


def explain_user(config: str, user: EndUser, path: str | None) -> tuple[str, bool]:
    """The report, and whether the user is shown a portal (at `path`, if given). Raises SettingsError."""
    return asyncio.run(_explained(Gateway(load_settings(config), _no_app), user, path))


async def _explained(gateway: Gateway, user: EndUser, path: str | None) -> tuple[str, bool]:
    try:
        asked = {portal.name: await _ask(portal, user) for portal in gateway.directory.portals}
        held = {portal.name: await _held(gateway, portal, user) for portal in gateway.directory.portals}
    finally:
        await gateway.aclose()
    lines = [f"user {user.id}" + (f" at {path}" if path is not None else "")]
    shown = False
    for portal in gateway.directory.portals:
        rules = list(_rules(gateway, portal.name, path))
        shown = shown or (_is_granted(asked[portal.name]) and bool(rules or path is None))
        provider = gateway.settings.portals[portal.name].provider
        lines += ["", f"portals.{portal.name} ({provider}): {_verdict(asked[portal.name])}"]
        lines += [f"  {line}" for line in (*held[portal.name], *_consequences(asked[portal.name], rules, path))]
    return "\n".join(lines), shown


async def _ask(portal: Portal, user: EndUser) -> Asked:
    try:
        return await portal.provider.check_access(user)
    except GatewayError as error:
        return error


def _is_granted(asked: Asked) -> bool:
    return isinstance(asked, Access) and asked.granted


async def _held(gateway: Gateway, portal: Portal, user: EndUser) -> list[str]:
    """What the replicas share; what another process holds for itself cannot be seen from here."""
    if gateway.settings.cache is None:
        return []
    try:
        report = await gateway.directory.report(portal, user)
    except GatewayError:
        return []  # the user lacks a field: the vendor's answer says which
    lines = [_level(held) for held in report.levels if held.level == "shared"]
    lines += ["shared cache: it does not answer; `check --online` says more"] if report.unavailable else []
    return lines or ["shared cache: nothing is held, the next page asks the vendor"]


def _level(held: Held) -> str:
    until = f"for {held.expires_in_s:.0f} s more" if held.expires_in_s > 0 else "no longer, unless the vendor is away"
    return f"shared cache: {_worded(held.access)}, {held.age_s:.0f} s old, holds {until}"


def _verdict(asked: Asked) -> str:
    return _worded(asked) if isinstance(asked, Access) else f"unknown ({asked.code}: {asked.message})"


def _worded(access: Access) -> str:
    return f"{access.verdict.value} ({access.reason}: {REASONS.get(access.reason, 'no decision was possible')})"


def _consequences(asked: Asked, rules: list[str], path: str | None) -> Iterator[str]:
    yield f"a launch: {_launch(asked)}"
    where = "pages" if path is None else "this page"
    if not rules:
        yield f"{where}: no inject rule applies"
    elif _is_granted(asked):
        yield f"{where}: the snippet goes in by"
        yield from (f"  {rule}" for rule in rules)
    else:
        yield f"{where}: nothing is shown"


def _launch(asked: Asked) -> str:
    """What the launch route would answer if the vendor said the same again."""
    if isinstance(asked, Access) and asked.granted:
        choices = len(asked.choices)
        chooses = f"200, the user chooses one of {choices} projects, then " if choices else ""
        return f"{chooses}303 to a link that is signed then"
    error = AccessDenied("", asked.reason) if isinstance(asked, Access) else asked
    return f"{error.status}, “{text_for(error).title}”"


def _rules(gateway: Gateway, portal: str, path: str | None) -> Iterator[str]:
    """The portal's inject rules, those of `path` if one is given, with their places in the configuration."""
    if path is None:
        applied = gateway.rules.placements
    else:
        page = gateway.rules.pages[path]
        applied = () if isinstance(page, str) else page.placements
    own = [placement for placement in gateway.rules.placements if placement.portal == portal]
    for index, placement in enumerate(own):
        if any(placement is other for other in applied):
            rule = placement.rule
            snippet = "template" if rule.template is not None else rule.as_
            yield f"inject[{index}]: {snippet}, {rule.position.value} {rule.at!r}, paths {', '.join(rule.paths)}"


async def _no_app(scope: Scope, receive: Receive, send: Send) -> None:
    raise AssertionError("only what a vendor says is explained")
