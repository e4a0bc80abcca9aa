from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest

from portal_gateway.errors import IdentityError
from portal_gateway.identity.headers import HeadersSource
from portal_gateway.settings.identity import HeadersIdentity
from portal_gateway.wire.header_names import fields_named
from portal_gateway.wire.trust import TrustedPeers, strip_headers

PROXY = ("10.0.0.1", 1234)
SETTINGS = HeadersIdentity(
    source="headers",
    id="X-User-Id",
    email="X-User-Email",
    company_id="X-Company-Id",
    attributes={"plan": "X-Plan"},
)


@pytest.fixture
def source() -> HeadersSource:
    return HeadersSource(SETTINGS, TrustedPeers([ip_network("10.0.0.0/8")]))


async def test_a_trusted_proxy_names_the_user(source: HeadersSource, make_scope: Any) -> None:
    scope = make_scope(
        (b"x-user-id", b"42"),
        (b"X-USER-EMAIL", b"ann@acme.com"),
        (b"x-company-id", b"c%207"),
        (b"x-plan", "große".encode()),
        client=PROXY,
    )
    user = await source.identify(scope)
    assert user is not None
    assert (user.id, user.email, user.company_id) == ("42", "ann@acme.com", "c%207")
    assert user.attributes == {"plan": "große"}


@pytest.mark.parametrize(
    "client",
    [
        pytest.param(("203.0.113.9", 1), id="stranger"),
        pytest.param(("127.0.0.1", 1), id="loopback-is-not-trusted-by-itself"),
        pytest.param(None, id="unix-socket"),
        pytest.param(("testclient", 1), id="no-address"),
    ],
)
async def test_untrusted_peers_are_not_believed(source: HeadersSource, make_scope: Any, client: Any) -> None:
    assert await source.identify(make_scope((b"x-user-id", b"42"), client=client)) is None


async def test_a_forwarded_for_header_makes_nobody_trusted(source: HeadersSource, make_scope: Any) -> None:
    scope = make_scope((b"x-user-id", b"42"), (b"x-forwarded-for", b"10.0.0.1"))
    assert await source.identify(scope) is None


async def test_nobody_is_trusted_by_default(make_scope: Any) -> None:
    source = HeadersSource(SETTINGS, TrustedPeers([]))
    assert await source.identify(make_scope((b"x-user-id", b"42"), client=PROXY)) is None


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([(b"x-user-id", b"1"), (b"x-user-id", b"2")], id="repeated"),
        pytest.param([(b"x-user-id", b"1"), (b"X-User-Id", b"1")], id="repeated-and-equal"),
        pytest.param([(b"x-user-id", b"1"), (b"x_user_id", b"2")], id="second-spelling-after"),
        pytest.param([(b"X_User_Id", b"2"), (b"x-user-id", b"1")], id="second-spelling-before"),
        pytest.param([(b"x_user_id", b"2")], id="second-spelling-alone"),
        pytest.param([(b"x-user_id", b"2")], id="mixed-spelling"),
        pytest.param([(b"x-user-id", b"1"), (b"x-company-id", b"1"), (b"x_company-id", b"2")], id="company"),
        pytest.param([(b"x-user-id", b"jos\xe9")], id="latin-1"),
    ],
)
async def test_ambiguous_headers_are_refused(source: HeadersSource, make_scope: Any, headers: Any) -> None:
    with pytest.raises(IdentityError, match="identity header X-"):
        await source.identify(make_scope(*headers, client=PROXY))


@pytest.mark.parametrize("headers", [[], [(b"x-user-id", b"")], [(b"x-user-email", b"a@b.c")]], ids=repr)
async def test_without_an_id_nobody_is_known(source: HeadersSource, make_scope: Any, headers: Any) -> None:
    assert await source.identify(make_scope(*headers, client=PROXY)) is None


async def test_the_error_does_not_show_the_value(source: HeadersSource, make_scope: Any) -> None:
    scope = make_scope((b"x-user-id", b"secret-1"), (b"x-user-id", b"secret-2"), client=PROXY)
    with pytest.raises(IdentityError) as caught:
        await source.identify(scope)
    assert "secret" not in str(caught.value)


def test_header_names_are_what_is_to_be_stripped(source: HeadersSource) -> None:
    assert source.header_names == {b"x-user-id", b"x-user-email", b"x-company-id", b"x-plan"}
    kept = (b"x-other", b"1")
    sent = [(b"X_User_Id", b"1"), kept, (b"x-plan", b"gold"), (b"X-USER_EMAIL", b"a")]
    assert strip_headers(sent, fields_named(source.header_names, folded=True)) == [kept]
