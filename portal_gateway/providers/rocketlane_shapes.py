"""Rocketlane's answers about projects, as its OpenAPI describes them; another shape is VendorUnreadable. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from portal_gateway.errors import VendorUnreadable
from portal_gateway.providers.mailbox import folded


@dataclass(frozen=True, slots=True)
class Project:
    """What decides over access to a project.

    `company_id` is None for a project without a customer. `customers` maps the compared form of each
    customer's e-mail address to the vendor's spelling; None where the answer does not tell, as a list's may.
    `company_url` is the customer's web site as somebody filled it in.
    """

    id: int
    name: str
    company_id: int | None
    archived: bool
    customers: Mapping[str, str] | None
    company_url: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list; `next_token` is None on the last."""

    projects: tuple[Project, ...]
    next_token: str | None


def page_of(value: Any) -> Page:
    """A list answer: `{"data": [...], "pagination": {"hasMore", "nextPageToken"}}`."""
    envelope = _object(value, "page")
    pagination = _object(envelope.get("pagination"), "pagination")
    projects = tuple(project_of(item) for item in _list(envelope.get("data"), "data"))
    if not _bool(pagination.get("hasMore"), "hasMore"):
        return Page(projects, None)
    token = _text(pagination.get("nextPageToken"), "nextPageToken")
    if not token:
        raise VendorUnreadable("the vendor's list has more pages but does not say where")
    return Page(projects, token)


def project_of(value: Any) -> Project:
    project = _object(value, "project")
    customer = project.get("customer")
    team = project.get("teamMembers")
    return Project(
        id=_id(project.get("projectId"), "projectId"),
        name=_text(project.get("projectName"), "projectName"),
        company_id=None if customer is None else _company_id(_object(customer, "customer")),
        archived=_bool(project.get("archived"), "archived"),
        customers=None if team is None else _customers(_object(team, "teamMembers")),
        company_url="" if customer is None else _company_url(customer),
    )


def _company_id(customer: dict[str, Any]) -> int:
    return _id(customer.get("companyId"), "companyId")


def _company_url(customer: dict[str, Any]) -> str:
    url = customer.get("companyUrl")
    return url if isinstance(url, str) else ""


def _customers(team: dict[str, Any]) -> dict[str, str]:
    return {folded(email): email for email in _addresses(team)}


def _addresses(team: dict[str, Any]) -> Iterable[str]:
    """Addresses of the customers; the vendor's own people (`members`) are none."""
    people = _list(team.get("customers") or [], "customers")
    champion = team.get("customerChampion")
    for person in people if champion is None else [*people, champion]:
        email = _object(person, "customer").get("emailId")
        if email is not None:
            yield _text(email, "emailId")


def _object(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _misshapen(name)
    return value


def _list(value: Any, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise _misshapen(name)
    return value


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise _misshapen(name)
    return value


def _bool(value: Any, name: str) -> bool:
    if not isinstance(value, bool):
        raise _misshapen(name)
    return value


def _id(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _misshapen(name)
    return value


def _misshapen(name: str) -> VendorUnreadable:
    return VendorUnreadable(f"the vendor's answer has no usable {name}")
