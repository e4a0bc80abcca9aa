from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import time
from typing import Any

import jwt
import pytest

from portal_gateway.errors import IdentityError
from portal_gateway.identity.base import NotAtHand
from portal_gateway.identity.jwks import MAX_AGE_S
from portal_gateway.identity.jwt import MAX_TOKEN_CHARS, MAX_VERIFIED, JwtSource
from portal_gateway.settings.identity import JwtIdentity
from portal_gateway.settings.secrets import Secret

SECRET = b"0123456789abcdef0123456789abcdef"


def settings(**given: Any) -> JwtIdentity:
    if not given.keys() & {"secret", "public_key", "jwks_url"}:
        given["secret"] = SECRET
    for name in ("secret", "public_key"):
        if name in given:
            given[name] = Secret(given[name], "test")
    return JwtIdentity.model_validate({"source": "jwt", "algorithms": ["HS256"], **given})


def token(key: Any = SECRET, algorithm: str = "HS256", *, header: Any = None, **claims: Any) -> str:
    payload = {"sub": "ann", "exp": time.time() + 60, **claims}
    payload = {name: value for name, value in payload.items() if value is not None}
    return jwt.encode(payload, key, algorithm, headers=header)


def forged(header: Any, payload: Any, signature: bytes = b"") -> str:
    """A compact JWS made by hand."""
    parts = [json.dumps(header).encode(), json.dumps(payload).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def forged_hs256(key: bytes, **header: Any) -> str:
    unsigned = forged({"alg": "HS256", **header}, {"sub": "ann", "exp": time.time() + 60})[:-1]
    signature = hmac.new(key, unsigned.encode(), hashlib.sha256).digest()
    return f"{unsigned}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def bearer(value: str) -> tuple[bytes, bytes]:
    return b"authorization", b"Bearer " + value.encode()


async def known_id(source: JwtSource, scope: Any) -> str | None:
    user = await source.identify(scope)
    return None if user is None else user.id


@pytest.mark.parametrize(
    ("cookie", "header", "expected"),
    [
        pytest.param(None, (b"authorization", b"Bearer %s"), "ann", id="bearer"),
        pytest.param(None, (b"Authorization", b"bearer  %s "), "ann", id="bearer-spelled-otherwise"),
        pytest.param(None, (b"authorization", b"Basic %s"), None, id="other-scheme"),
        pytest.param(None, (b"authorization", b"%s"), None, id="no-scheme"),
        pytest.param(None, (b"authorization", b"Bearer"), None, id="no-token"),
        pytest.param(None, (b"cookie", b"session=%s"), None, id="cookie-is-not-configured"),
        pytest.param("session", (b"cookie", b"a=b; session=%s; c=d"), "ann", id="cookie"),
        pytest.param("session", (b"cookie", b"Session=%s"), None, id="cookie-names-have-case"),
        pytest.param("session", (b"authorization", b"Bearer %s"), None, id="bearer-is-not-configured"),
        pytest.param("session", (b"x-session", b"%s"), None, id="elsewhere"),
    ],
)
async def test_where_the_token_is(cookie: Any, header: Any, expected: Any, make_scope: Any) -> None:
    name, value = header
    scope = make_scope((name, value.replace(b"%s", token().encode())))
    assert await known_id(JwtSource(settings(cookie=cookie)), scope) == expected


async def test_a_query_holds_no_token(make_scope: Any) -> None:
    scope = make_scope(query_string=f"token={token()}&access_token={token()}&session={token()}".encode())
    assert await JwtSource(settings()).identify(scope) is None
    assert await JwtSource(settings(cookie="session")).identify(scope) is None


async def test_two_authorization_headers_are_none(make_scope: Any) -> None:
    scope = make_scope(bearer(token()), bearer(token(sub="bob")))
    assert await JwtSource(settings()).identify(scope) is None


async def test_claims_become_fields(make_scope: Any) -> None:
    claims = {
        "id": "https://acme.com/uid",
        "email": "mail.address",
        "email_verified": "ev",
        "company_id": "org",
        "attributes": {"role": "role"},
    }
    source = JwtSource(settings(claims=claims))
    payload = {
        "https://acme.com/uid": 5,
        "mail": {"address": "a@b.c"},
        "ev": True,
        "org": 7,
        "role": "admin",
    }
    user = await source.identify(make_scope(bearer(token(**payload))))
    assert user is not None
    assert (user.id, user.email, user.email_verified, user.company_id) == ("5", "a@b.c", True, "7")
    assert user.attributes == {"role": "admin"}


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "ES384", "EdDSA"])
@pytest.mark.parametrize("kind", ["public_key", "jwks_url"])
async def test_public_key_algorithms(algorithm: str, kind: str, issuer: Any, key_server: Any, make_scope: Any) -> None:
    key_server.publish(issuer.jwk(algorithm, kid="k"))
    where = {"public_key": issuer.pem(algorithm)} if kind == "public_key" else {"jwks_url": key_server.url}
    source = JwtSource(settings(algorithms=[algorithm], **where))
    signed = token(issuer.private[algorithm], algorithm, header={"kid": "k"})
    assert await known_id(source, make_scope(bearer(signed))) == "ann"
    head, _, signature = signed.rpartition(".")
    swapped = f"{head}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"
    assert await known_id(source, make_scope(bearer(swapped))) is None
    await source.aclose()


class Seconds(int):
    """From now, which is when the test runs, not when it is collected."""


@pytest.mark.parametrize(
    ("configured", "claims", "accepted"),
    [
        pytest.param({}, {"exp": None}, False, id="exp-missing"),
        pytest.param({}, {"exp": "soon"}, False, id="exp-text"),
        pytest.param({}, {"exp": 1e400}, False, id="exp-infinite"),
        pytest.param({}, {"exp": Seconds(-60)}, False, id="expired"),
        pytest.param({"leeway_s": 300}, {"exp": Seconds(-60)}, True, id="expired-within-leeway"),
        pytest.param({}, {"nbf": Seconds(60)}, False, id="not-yet"),
        pytest.param({"leeway_s": 300}, {"nbf": Seconds(60)}, True, id="not-yet-within-leeway"),
        pytest.param({}, {"iat": Seconds(60)}, False, id="issued-in-the-future"),
        pytest.param({"leeway_s": 300}, {"iat": Seconds(60)}, True, id="issued-in-the-future-within-leeway"),
        pytest.param({"audience": "app"}, {"aud": "app"}, True, id="aud"),
        pytest.param({"audience": "app"}, {"aud": ["x", "app"]}, True, id="aud-list"),
        pytest.param({"audience": "app"}, {"aud": "other"}, False, id="aud-other"),
        pytest.param({"audience": "app"}, {}, False, id="aud-missing"),
        pytest.param({}, {"aud": "app"}, False, id="aud-unexpected"),
        pytest.param({"issuer": "https://id"}, {"iss": "https://id"}, True, id="iss"),
        pytest.param({"issuer": "https://id"}, {"iss": "https://id/"}, False, id="iss-other"),
        pytest.param({"issuer": "https://id"}, {}, False, id="iss-missing"),
        pytest.param({}, {"sub": None}, False, id="sub-missing"),
        pytest.param({}, {"sub": ""}, False, id="sub-empty"),
        pytest.param({}, {"sub": ["ann"]}, False, id="sub-list"),
        pytest.param({}, {"sub": True}, False, id="sub-bool"),
    ],
)
async def test_claims_are_checked(configured: Any, claims: Any, accepted: bool, make_scope: Any) -> None:
    claims = {name: time.time() + value if isinstance(value, Seconds) else value for name, value in claims.items()}
    signed = forge_signed({"sub": "ann", "exp": time.time() + 60, **claims})
    assert (await JwtSource(settings(**configured)).identify(make_scope(bearer(signed))) is not None) is accepted


def forge_signed(claims: dict[str, Any]) -> str:
    """Signed right, whatever the claims are: PyJWT would not encode some of them."""
    payload = json.dumps({name: value for name, value in claims.items() if value is not None}).encode()
    return jwt.PyJWS().encode(payload, SECRET, "HS256")


async def test_a_numeric_sub_is_an_id(make_scope: Any) -> None:
    assert (
        await known_id(JwtSource(settings()), make_scope(bearer(forge_signed({"sub": 42, "exp": time.time() + 60}))))
        == "42"
    )


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "", None, 0, ["HS256"], {"a": 1}], ids=repr)
@pytest.mark.parametrize("kind", ["secret", "public_key", "jwks_url"])
async def test_alg_none_is_refused(alg: Any, kind: str, issuer: Any, key_server: Any, make_scope: Any) -> None:
    key_server.publish(issuer.jwk("RS256", kid="k"))
    source = JwtSource(
        {
            "secret": settings(),
            "public_key": settings(public_key=issuer.pem("RS256"), algorithms=["RS256"]),
            "jwks_url": settings(jwks_url=key_server.url, algorithms=["RS256"]),
        }[kind]
    )
    unsigned = forged({"alg": alg, "kid": "k"}, {"sub": "ann", "exp": time.time() + 60})
    assert await source.identify(make_scope(bearer(unsigned))) is None
    assert key_server.requests == []


async def test_alg_confusion_hs256_with_the_public_key_as_secret(issuer: Any, key_server: Any, make_scope: Any) -> None:
    pem = issuer.pem("RS256")
    key_server.publish(issuer.jwk("RS256", kid="k"))
    sources = [
        JwtSource(settings(public_key=pem, algorithms=["RS256"])),
        JwtSource(settings(jwks_url=key_server.url, algorithms=["RS256"])),
    ]
    modulus = issuer.jwk("RS256")["n"].encode()
    for source in sources:
        for key in (pem, pem.strip(), modulus, b""):
            assert await source.identify(make_scope(bearer(forged_hs256(key, kid="k")))) is None


async def test_alg_mismatch_is_refused(issuer: Any, key_server: Any, make_scope: Any) -> None:
    key_server.publish(issuer.jwk("RS256", kid="k"), issuer.jwk("ES256", kid="e"))
    pinned = settings(jwks_url=key_server.url, algorithms=["RS256"])
    es256 = token(issuer.private["ES256"], "ES256", header={"kid": "e"})
    rs512 = token(issuer.private["RS256"], "RS512", header={"kid": "k"})
    assert await JwtSource(pinned).identify(make_scope(bearer(es256))) is None
    assert await JwtSource(pinned).identify(make_scope(bearer(rs512))) is None
    assert await JwtSource(settings()).identify(make_scope(bearer(token(SECRET * 2, "HS512")))) is None


async def test_alg_of_another_key_of_the_set_is_refused(issuer: Any, key_server: Any, make_scope: Any) -> None:
    key_server.publish(issuer.jwk("RS256", kid="r"), issuer.jwk("ES256", kid="e"))
    source = JwtSource(settings(jwks_url=key_server.url, algorithms=["RS256", "ES256"]))
    crossed = token(issuer.private["ES256"], "ES256", header={"kid": "r"})
    assert await source.identify(make_scope(bearer(crossed))) is None


@pytest.mark.parametrize(
    "kid",
    ["../../dev/null", "/dev/null", "' OR 1=1 --", "http://evil.example/", "k\x00", "", "K", "k" * 1000],
    ids=lambda kid: repr(kid[:20]),
)
async def test_kid_injection(kid: str, issuer: Any, key_server: Any, make_scope: Any) -> None:
    key_server.publish(issuer.jwk("RS256", kid="k"), issuer.jwk("RS256", kid="l"))
    source = JwtSource(settings(jwks_url=key_server.url, algorithms=["RS256"]))
    signed = token(issuer.private["RS256"], "RS256", header={"kid": kid})
    assert await source.identify(make_scope(bearer(signed))) is None
    assert len(key_server.requests) == 1


@pytest.mark.parametrize("kid", [5, None, ["k"], {"a": "k"}], ids=repr)
async def test_kid_of_another_type(kid: Any, issuer: Any, key_server: Any, make_scope: Any) -> None:
    key_server.publish(issuer.jwk("RS256", kid="k"))
    source = JwtSource(settings(jwks_url=key_server.url, algorithms=["RS256"]))
    made = forged({"alg": "RS256", "kid": kid}, {"sub": "ann", "exp": time.time() + 60}, b"x" * 256)
    assert await source.identify(make_scope(bearer(made))) is None


async def test_keys_that_a_token_brings_along_are_not_used(issuer: Any, key_server: Any, make_scope: Any) -> None:
    key_server.publish(issuer.jwk("RS256", kid="k"))
    own = jwt.algorithms.RSAAlgorithm
    from cryptography.hazmat.primitives.asymmetric import rsa

    attacker = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    jwk = {**json.loads(own.to_jwk(attacker.public_key())), "kid": "k"}
    base = key_server.url.removesuffix("/jwks.json")
    header = {"kid": "k", "jwk": jwk, "jku": f"{base}/evil.json", "x5u": f"{base}/evil.pem", "x5c": ["AA=="]}
    source = JwtSource(settings(jwks_url=key_server.url, algorithms=["RS256"]))
    assert await source.identify(make_scope(bearer(token(attacker, "RS256", header=header)))) is None
    assert all(request.startswith(b"GET /jwks.json ") for request in key_server.requests)


@pytest.mark.parametrize(
    "value",
    [
        "",
        ".",
        "..",
        "a.b.c",
        "\xff.\xff.\xff",
        "e30.e30.",
        "eyJhbGciOiJIUzI1NiJ9..",
        "eyJhbGciOiJIUzI1NiIsImNyaXQiOlsieCJdLCJ4IjoxfQ.e30.AA",
        "W10.W10.W10",
    ],
)
async def test_garbage_is_no_token(value: str, make_scope: Any) -> None:
    source = JwtSource(settings(cookie="session"))
    scope = make_scope((b"cookie", b"session=" + value.encode("latin-1")))
    assert await source.identify(scope) is None


async def test_a_long_token_is_not_looked_at(make_scope: Any) -> None:
    source = JwtSource(settings())
    assert await known_id(source, make_scope(bearer(token(pad="x" * 5000)))) == "ann"
    long = token(pad="x" * MAX_TOKEN_CHARS)
    assert await source.identify(make_scope(bearer(long))) is None


async def test_an_issuer_that_is_away_is_an_error_and_not_a_log_out(
    issuer: Any, key_server: Any, make_scope: Any
) -> None:
    key_server.status = 503
    source = JwtSource(settings(jwks_url=key_server.url, algorithms=["RS256"]))
    signed = token(issuer.private["RS256"], "RS256", header={"kid": "k"})
    with pytest.raises(IdentityError):
        await source.identify(make_scope(bearer(signed)))
    assert await source.identify(make_scope()) is None


async def test_refusals_are_logged_without_the_token(make_scope: Any, caplog: pytest.LogCaptureFixture) -> None:
    signed = token(b"f" * 32)
    with caplog.at_level(logging.DEBUG, "portal_gateway.identity"):
        assert await JwtSource(settings()).identify(make_scope(bearer(signed))) is None
    assert "InvalidSignatureError" in caplog.text
    assert not any(part in caplog.text for part in signed.split("."))


class CountingDecode:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls = 0
        self._decode = jwt.decode
        monkeypatch.setattr(jwt, "decode", self)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.calls += 1
        return self._decode(*args, **kwargs)


async def test_a_token_is_verified_once_until_it_expires(
    make_scope: Any, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode = CountingDecode(monkeypatch)
    clock.now = time.time()
    source = JwtSource(settings(), clock)
    scope = make_scope(bearer(token(exp=int(clock.now) + 60)))
    for _ in range(3):
        assert await known_id(source, scope) == "ann"
    assert decode.calls == 1
    clock.now = int(clock.now) + 60
    await source.identify(scope)
    assert decode.calls == 2


async def test_a_token_is_remembered_no_longer_than_a_key(
    make_scope: Any, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode = CountingDecode(monkeypatch)
    clock.now = time.time()
    source = JwtSource(settings(), clock)
    scope = make_scope(bearer(token(exp=clock.now + 86400)))
    await source.identify(scope)
    clock.now += MAX_AGE_S - 1
    await source.identify(scope)
    assert decode.calls == 1
    clock.now += 1
    await source.identify(scope)
    assert decode.calls == 2


async def test_refused_tokens_are_not_remembered_and_memory_is_bounded(make_scope: Any) -> None:
    source = JwtSource(settings())
    assert source._verified.maxsize == MAX_VERIFIED
    await source.identify(make_scope(bearer(token(b"f" * 32))))
    await source.identify(make_scope(bearer(token(sub=""))))
    assert len(source._verified) == 0
    await source.identify(make_scope(bearer(signed := token())))
    assert len(source._verified) == 1
    assert signed not in repr(dict(source._verified))
    await source.aclose()
    assert len(source._verified) == 0


async def test_a_remembered_token_with_another_signature_is_verified(make_scope: Any) -> None:
    source = JwtSource(settings())
    signed = token()
    await source.identify(make_scope(bearer(signed)))
    head = signed.rpartition(".")[0]
    assert await source.identify(make_scope(bearer(head + "."))) is None


def test_with_a_key_of_the_configuration_the_user_is_at_hand(make_scope: Any) -> None:
    source = JwtSource(settings())
    user = source.at_hand(make_scope(bearer(token())))
    assert user is not None
    assert user.id == "ann"
    assert source.at_hand(make_scope(bearer(token(b"f" * 32)))) is None
    assert source.at_hand(make_scope()) is None


async def test_with_published_keys_once_the_token_is_known(issuer: Any, key_server: Any, make_scope: Any) -> None:
    key_server.publish(issuer.jwk("RS256", kid="k"))
    source = JwtSource(settings(jwks_url=key_server.url, algorithms=["RS256"]))
    scope = make_scope(bearer(token(issuer.private["RS256"], "RS256", header={"kid": "k"})))
    with pytest.raises(NotAtHand):
        source.at_hand(scope)
    user = await source.identify(scope)
    assert user is not None
    assert source.at_hand(scope) == user
