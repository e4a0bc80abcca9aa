from __future__ import annotations

import asyncio
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import HMACAlgorithm, RSAAlgorithm

from portal_gateway.errors import IdentityError
from portal_gateway.identity.jwks import COOLDOWN_S, MAX_AGE_S, MAX_BODY_BYTES, MAX_KEYS, JwksCache

ALL = ("RS256", "RS384", "ES256", "ES384", "EdDSA")


def cache(key_server: Any, clock: Any, *algorithms: str, **options: Any) -> JwksCache:
    return JwksCache(key_server.url, algorithms or ALL, clock=clock, **options)


async def test_keys_are_found_by_id_and_algorithm(key_server: Any, clock: Any, issuer: Any) -> None:
    key_server.publish(issuer.jwk("RS256", kid="r"), issuer.jwk("ES256", kid="e"), issuer.jwk("EdDSA", kid="d"))
    jwks = cache(key_server, clock)
    for kid, algorithm in [("r", "RS256"), ("r", "RS384"), ("e", "ES256"), ("d", "EdDSA")]:
        key = await jwks.key(kid, algorithm)
        assert isinstance(key, jwt.PyJWK)
        assert (key.key_id, key.algorithm_name) == (kid, algorithm)
    for kid, algorithm in [("r", "ES256"), ("e", "RS256"), ("e", "ES384"), ("d", "RS256"), ("x", "RS256")]:
        assert await jwks.key(kid, algorithm) is None
    assert len(key_server.requests) == 1


async def test_the_request_is_plain(key_server: Any, clock: Any, issuer: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    key_server.publish(issuer.jwk("RS256", kid="r"))
    assert await cache(key_server, clock).key("r", "RS256")
    head = key_server.requests[0].lower()
    assert head.startswith(b"get /jwks.json http/1.1\r\n")
    assert b"accept-encoding: identity\r\n" in head
    assert b"cookie" not in head
    assert b"authorization" not in head


@pytest.mark.parametrize(
    ("kids", "found"),
    [
        pytest.param(["a"], True, id="the-only-one"),
        pytest.param([None], True, id="the-only-one-nameless"),
        pytest.param(["a", "b"], False, id="one-of-two"),
        pytest.param([None, None], False, id="one-of-two-nameless"),
    ],
)
async def test_a_token_without_key_id(
    kids: list[str | None], found: bool, key_server: Any, clock: Any, issuer: Any
) -> None:
    key_server.publish(*(issuer.jwk("RS256", kid=kid) for kid in kids), issuer.jwk("ES256", kid="other"))
    assert (await cache(key_server, clock).key(None, "RS256") is not None) is found


async def test_a_key_id_does_not_match_a_nameless_key(key_server: Any, clock: Any, issuer: Any) -> None:
    key_server.publish(issuer.jwk("RS256"))
    assert await cache(key_server, clock).key("a", "RS256") is None


@pytest.mark.parametrize(
    "members",
    [
        pytest.param({"use": "enc"}, id="for-encryption"),
        pytest.param({"key_ops": ["encrypt"]}, id="other-operation"),
        pytest.param({"key_ops": 1}, id="broken-operations"),
        pytest.param({"alg": "RS512"}, id="for-another-algorithm"),
        pytest.param({"alg": "RSA-OAEP"}, id="for-key-wrapping"),
        pytest.param({"alg": ["RS256"]}, id="broken-algorithm"),
        pytest.param({"kty": "EC"}, id="wrong-type"),
        pytest.param({"kty": ["RSA"]}, id="broken-type"),
        pytest.param({"n": "!"}, id="broken-modulus"),
        pytest.param({"n": None}, id="no-modulus"),
        pytest.param({"kid": 5}, id="key-id-is-a-number"),
        pytest.param({"kid": {"$ne": None}}, id="key-id-is-an-object"),
    ],
)
async def test_unusable_keys_are_skipped(members: Any, key_server: Any, clock: Any, issuer: Any) -> None:
    bad = {**issuer.jwk("RS256", kid="bad"), **members}
    key_server.publish(bad, issuer.jwk("ES256", kid="good"), "text", None, 7, [])
    jwks = cache(key_server, clock, "RS256", "ES256")
    assert await jwks.key("good", "ES256") is not None
    assert await jwks.key("bad", "RS256") is None
    assert await jwks.key(None, "RS256") is None


@pytest.mark.parametrize("alg", [None, "RS256"])
async def test_keys_that_say_what_they_are_for(alg: str | None, key_server: Any, clock: Any, issuer: Any) -> None:
    named = {} if alg is None else {"alg": alg}
    key_server.publish(issuer.jwk("RS256", kid="r", use="sig", key_ops=["verify"], **named))
    assert await cache(key_server, clock).key("r", "RS256") is not None


@pytest.mark.parametrize("alg", ["EdDSA", "Ed25519"])
async def test_both_names_of_eddsa(alg: str, key_server: Any, clock: Any, issuer: Any) -> None:
    key_server.publish(issuer.jwk("EdDSA", kid="d", alg=alg))
    assert await cache(key_server, clock).key("d", "EdDSA") is not None


async def test_symmetric_private_and_short_keys_are_never_used(key_server: Any, clock: Any, issuer: Any) -> None:
    short = rsa.generate_private_key(public_exponent=65537, key_size=1024).public_key()
    key_server.publish(
        {**json.loads(HMACAlgorithm.to_jwk(b"s" * 32)), "kid": "a"},
        issuer.jwk("RS256", kid="a", private=True),
        {**json.loads(RSAAlgorithm.to_jwk(short)), "kid": "a", "key_ops": ["verify"]},
    )
    with pytest.raises(IdentityError):
        await cache(key_server, clock).key("a", "RS256")


@pytest.mark.parametrize(
    ("status", "body"),
    [
        pytest.param(500, b"", id="500"),
        pytest.param(404, b"", id="404"),
        pytest.param(200, b"<html>", id="html"),
        pytest.param(200, b"", id="empty"),
        pytest.param(200, b"[]", id="list"),
        pytest.param(200, b"{}", id="no-keys"),
        pytest.param(200, b'{"keys": {}}', id="keys-is-an-object"),
        pytest.param(200, b'{"keys": []}', id="no-key"),
        pytest.param(200, b"[" * 100_000, id="deep"),
    ],
)
async def test_an_answer_without_keys_is_an_error(status: int, body: bytes, key_server: Any, clock: Any) -> None:
    key_server.status, key_server.body = status, body
    with pytest.raises(IdentityError, match="cannot be fetched"):
        await cache(key_server, clock).key("a", "RS256")


@pytest.mark.parametrize(("size", "accepted"), [(MAX_BODY_BYTES, True), (MAX_BODY_BYTES + 1, False)])
async def test_the_size_of_an_answer_is_limited(
    size: int, accepted: bool, key_server: Any, clock: Any, issuer: Any
) -> None:
    key_server.publish(issuer.jwk("RS256", kid="a"))
    key_server.body = key_server.body.ljust(size)
    jwks = cache(key_server, clock)
    if accepted:
        assert await jwks.key("a", "RS256") is not None
    else:
        with pytest.raises(IdentityError):
            await jwks.key("a", "RS256")


async def test_no_redirect_is_followed(key_server: Any, clock: Any) -> None:
    key_server.status, key_server.extra = 302, b"Location: /elsewhere.json\r\n"
    with pytest.raises(IdentityError):
        await cache(key_server, clock).key("a", "RS256")
    assert len(key_server.requests) == 1


async def test_only_so_many_keys_are_loaded(key_server: Any, clock: Any, issuer: Any) -> None:
    key_server.publish(*[issuer.jwk("ES256", kid=f"k{n}") for n in range(MAX_KEYS + 1)])
    jwks = cache(key_server, clock, "ES256")
    assert await jwks.key(f"k{MAX_KEYS - 1}", "ES256") is not None
    assert await jwks.key(f"k{MAX_KEYS}", "ES256") is None


async def test_an_issuer_that_hangs_is_given_up(key_server: Any, clock: Any) -> None:
    key_server.gate = asyncio.Event()
    with pytest.raises(IdentityError):
        await cache(key_server, clock, timeout_s=0.02).key("a", "RS256")


async def test_while_the_issuer_is_away_it_is_asked_once_per_cooldown(key_server: Any, clock: Any, issuer: Any) -> None:
    key_server.status = 503
    jwks = cache(key_server, clock)
    for _ in range(3):
        with pytest.raises(IdentityError):
            await jwks.key("a", "RS256")
    assert len(key_server.requests) == 1
    clock.now += COOLDOWN_S
    key_server.publish(issuer.jwk("RS256", kid="a"))
    assert await jwks.key("a", "RS256") is not None
    assert len(key_server.requests) == 2


async def test_a_new_key_id_is_looked_for_at_once(key_server: Any, clock: Any, issuer: Any) -> None:
    key_server.publish(issuer.jwk("RS256", kid="old"))
    jwks = cache(key_server, clock)
    assert await jwks.key("old", "RS256") is not None
    clock.now += COOLDOWN_S
    key_server.publish(issuer.jwk("RS256", kid="new"))
    assert await jwks.key("new", "RS256") is not None
    assert await jwks.key("old", "RS256") is None


async def test_random_key_ids_cannot_hammer_the_issuer(key_server: Any, clock: Any, issuer: Any) -> None:
    key_server.publish(issuer.jwk("RS256", kid="a"))
    jwks = cache(key_server, clock)
    for n in range(50):
        assert await jwks.key(f"random-{n}", "RS256") is None
    assert len(key_server.requests) == 1
    clock.now += COOLDOWN_S
    await asyncio.gather(*(jwks.key(f"more-{n}", "RS256") for n in range(50)))
    assert len(key_server.requests) == 2


async def test_old_keys_are_fetched_anew(key_server: Any, clock: Any, issuer: Any) -> None:
    key_server.publish(issuer.jwk("RS256", kid="withdrawn"))
    jwks = cache(key_server, clock)
    assert await jwks.key("withdrawn", "RS256") is not None
    key_server.publish(issuer.jwk("ES256", kid="other"))
    clock.now += MAX_AGE_S - 0.1
    assert await jwks.key("withdrawn", "RS256") is not None
    clock.now += 0.1
    assert await jwks.key("withdrawn", "RS256") is None


async def test_known_keys_stay_in_use_while_the_issuer_is_away(key_server: Any, clock: Any, issuer: Any) -> None:
    key_server.publish(issuer.jwk("RS256", kid="a"))
    jwks = cache(key_server, clock)
    await jwks.key("a", "RS256")
    key_server.status = 500
    clock.now += 10 * MAX_AGE_S
    for _ in range(3):
        assert await jwks.key("a", "RS256") is not None
        with pytest.raises(IdentityError):  # a key we do not know may be a new one
            await jwks.key("b", "RS256")
    assert len(key_server.requests) == 2


async def test_many_at_once_make_one_fetch_and_one_who_leaves_does_not_end_it(
    key_server: Any, clock: Any, issuer: Any
) -> None:
    key_server.publish(issuer.jwk("RS256", kid="a"))
    key_server.gate = asyncio.Event()
    jwks = cache(key_server, clock)
    waiting = [asyncio.create_task(jwks.key("a", "RS256")) for _ in range(20)]
    await key_server.arrived.wait()
    waiting[0].cancel()
    key_server.gate.set()
    keys = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(keys[0], asyncio.CancelledError)
    assert all(isinstance(key, jwt.PyJWK) for key in keys[1:])
    assert len(key_server.requests) == 1


async def test_aclose_ends_a_fetch_under_way(key_server: Any, clock: Any) -> None:
    key_server.gate = asyncio.Event()
    jwks = cache(key_server, clock)
    waiting = asyncio.create_task(jwks.key("a", "RS256"))
    await key_server.arrived.wait()
    await jwks.aclose()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_an_issuer_that_is_not_there(clock: Any, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(IdentityError) as caught:
        await JwksCache("http://127.0.0.1:1/jwks", ALL, clock=clock).key("a", "RS256")
    assert "127.0.0.1" not in caught.value.message
    assert "http://127.0.0.1:1/jwks" in caplog.text
