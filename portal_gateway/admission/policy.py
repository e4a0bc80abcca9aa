"""Who may join, decided by the address alone. Pure: what is known of the customer is an argument.

Rules of this file
- Only what the configuration or the vendor names lets anybody in; nothing named lets nobody in.
- A domain named in the configuration beats the general rule against free mail; a denied one beats everything.
- A company whose web site is a free mail provider's, or another host of strangers', has no domain of its own.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

from portal_gateway.admission.addresses import Address
from portal_gateway.admission.strangers import FREE_MAIL, SITES_OF_STRANGERS


@dataclass(frozen=True, slots=True)
class JoinPolicy:
    """What the configuration says. Domains are lower case A-labels.

    `subdomains`: whether a domain stands for those below it as well. `own_domains`: whether the domain of the
    customer's company counts.
    """

    domains: frozenset[str] = frozenset()
    denied_domains: frozenset[str] = frozenset()
    own_domains: bool = True
    subdomains: bool = False
    free_mail: bool = False
    anyone: bool = False


@dataclass(frozen=True, slots=True)
class CustomerDomains:
    """What is known of the customer: the domain of the company's web site, and those of others in the project."""

    company: frozenset[str] = frozenset()
    project: frozenset[str] = frozenset()


def join_refusal(policy: JoinPolicy, address: Address, customer: CustomerDomains) -> str | None:
    """Why `address` may not join, as a slug; None if it may."""
    domain = address.domain
    if _within(domain, policy.denied_domains, subdomains=True):
        return "domain_denied"
    if _within(domain, policy.domains, policy.subdomains):
        return None
    if _within(domain, FREE_MAIL, subdomains=False):
        return None if policy.anyone and policy.free_mail else "free_mail"
    if policy.anyone:
        return None
    allowed = customer.project
    if policy.own_domains:
        allowed |= customer.company - SITES_OF_STRANGERS
    return None if _within(domain, allowed - FREE_MAIL, policy.subdomains) else "domain_not_allowed"


def _within(domain: str, domains: Set[str], subdomains: bool) -> bool:
    if domain in domains:
        return True
    if not subdomains:
        return False
    parents = domain.split(".")
    return any(".".join(parents[start:]) in domains for start in range(1, len(parents)))
