from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal_gateway.admission.addresses import Address
from portal_gateway.admission.policy import FREE_MAIL, CustomerDomains, JoinPolicy, join_refusal

ACME = CustomerDomains(frozenset({"acme.com"}), frozenset({"partner.org"}))


def policy(**changes: object) -> JoinPolicy:
    sets = {name: frozenset(value) for name, value in changes.items() if isinstance(value, list)}
    return JoinPolicy(**{**changes, **sets})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rules", "domain", "customer", "refusal"),
    [
        pytest.param(policy(), "acme.com", ACME, None, id="the-company's-own"),
        pytest.param(policy(), "partner.org", ACME, None, id="the-project's"),
        pytest.param(policy(), "other.com", ACME, "domain_not_allowed", id="a-stranger's"),
        pytest.param(policy(), "acme.com", CustomerDomains(), "domain_not_allowed", id="nothing-known"),
        pytest.param(policy(own_domains=False), "acme.com", ACME, "domain_not_allowed", id="own-off"),
        pytest.param(policy(), "eu.acme.com", ACME, "domain_not_allowed", id="subdomain-off"),
        pytest.param(policy(subdomains=True), "a.eu.acme.com", ACME, None, id="subdomain-on"),
        pytest.param(policy(subdomains=True), "notacme.com", ACME, "domain_not_allowed", id="same-end-of-text"),
        pytest.param(policy(subdomains=True), "com", ACME, "domain_not_allowed", id="parent"),
        pytest.param(policy(domains=["vance.com"]), "vance.com", CustomerDomains(), None, id="global"),
        pytest.param(policy(domains=["vance.com"]), "eu.vance.com", ACME, "domain_not_allowed", id="global-below"),
        pytest.param(policy(domains=["gmail.com"]), "gmail.com", ACME, None, id="free-mail-named"),
        pytest.param(
            policy(), "gmail.com", CustomerDomains(frozenset({"gmail.com"})), "free_mail", id="company-with-free-mail"
        ),
        pytest.param(
            policy(),
            "gmail.com",
            CustomerDomains(project=frozenset({"gmail.com"})),
            "free_mail",
            id="project-free-mail",
        ),
        pytest.param(
            policy(subdomains=True),
            "someone.github.io",
            CustomerDomains(frozenset({"github.io"})),
            "domain_not_allowed",
            id="site-of-strangers",
        ),
        pytest.param(policy(anyone=True), "other.com", CustomerDomains(), None, id="anyone"),
        pytest.param(policy(anyone=True), "gmail.com", CustomerDomains(), "free_mail", id="anyone-but-free-mail"),
        pytest.param(policy(anyone=True, free_mail=True), "gmail.com", ACME, None, id="anyone-at-all"),
        pytest.param(policy(free_mail=True), "gmail.com", ACME, "free_mail", id="free-mail-needs-anyone"),
        pytest.param(
            policy(anyone=True, denied_domains=["evil.com"]), "evil.com", ACME, "domain_denied", id="denied-first"
        ),
        pytest.param(
            policy(anyone=True, denied_domains=["evil.com"]), "a.evil.com", ACME, "domain_denied", id="denied-below"
        ),
        pytest.param(
            policy(domains=["evil.com"], denied_domains=["evil.com"]), "evil.com", ACME, "domain_denied", id="both"
        ),
    ],
)
def test_who_may_join(rules: JoinPolicy, domain: str, customer: CustomerDomains, refusal: str | None) -> None:
    assert join_refusal(rules, Address("jane", domain), customer) == refusal


DOMAINS = st.sampled_from(["acme.com", "eu.acme.com", "partner.org", "gmail.com", "evil.com", "x.evil.com", "com"])
SETS = st.frozensets(DOMAINS, max_size=3)


@given(DOMAINS, SETS, st.booleans(), st.booleans())
def test_nobody_joins_by_a_policy_that_names_nothing(
    domain: str, company: frozenset[str], subdomains: bool, free_mail: bool
) -> None:
    rules = JoinPolicy(own_domains=False, subdomains=subdomains, free_mail=free_mail)
    assert join_refusal(rules, Address("a", domain), CustomerDomains(company)) is not None


@given(DOMAINS, SETS, SETS, SETS)
def test_denying_more_never_lets_more_in(
    domain: str, allowed: frozenset[str], denied: frozenset[str], more: frozenset[str]
) -> None:
    address = Address("a", domain)
    before = join_refusal(JoinPolicy(domains=allowed, denied_domains=denied), address, ACME)
    after = join_refusal(JoinPolicy(domains=allowed, denied_domains=denied | more), address, ACME)
    assert not (before is not None and after is None)


def test_the_list_of_free_mail_is_of_domains_as_they_are_compared() -> None:
    assert len(FREE_MAIL) > 90
    assert all(domain == domain.lower() and "." in domain for domain in FREE_MAIL)
