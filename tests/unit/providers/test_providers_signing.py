from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from portal_gateway.providers.signing import TokenSigner, generate_key_pair
from portal_gateway.settings.portals import SigningSettings
from portal_gateway.settings.secrets import Secret

NOW = 1_700_000_000
SHARED = b"shared-secret-of-rocketlane-0123456789"

KeyPairs = Callable[[str], tuple[str, str]]


def signer(key: bytes = SHARED, **options: Any) -> TokenSigner:
    settings = SigningSettings.model_validate({"key": Secret(key, "file key.pem"), **options})
    return TokenSigner(settings, clock=lambda: NOW + 0.9)


def claims(token: str, key: Any = SHARED, algorithm: str = "HS256") -> dict[str, Any]:
    return jwt.decode(token, key, [algorithm], options={"verify_exp": False})


def test_the_documented_claims_and_no_others() -> None:
    token = signer().token("jane@vance.com", 12345)
    assert claims(token) == {
        "user": {"emailId": "jane@vance.com"},
        "config": {"projectId": 12345},
        "exp": NOW + 60,
    }
    assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "JWT"}


def test_the_project_id_is_a_json_number() -> None:
    assert type(claims(signer().token("jane@vance.com", 12345))["config"]["projectId"]) is int


def test_invite_if_absent_is_sent_only_when_true() -> None:
    token = signer().token("jane@vance.com", 1, invite_if_absent=True)
    assert claims(token)["config"] == {"projectId": 1, "inviteIfAbsent": True}


def test_issued_at_is_sent_only_if_configured() -> None:
    assert "iat" not in claims(signer().token("j@v.com", 1))
    assert (
        jwt.decode(signer(issued_at=True).token("j@v.com", 1), SHARED, ["HS256"], options={"verify_exp": False})["iat"]
        == NOW
    )


def test_lifetime_and_extra_claims() -> None:
    token = signer(lifetime_s=3600, extra_claims={"iss": "acme", "n": {"a": [1]}}).token("j@v.com", 1)
    told = claims(token)
    assert (told["exp"], told["iss"], told["n"]) == (NOW + 3600, "acme", {"a": [1]})


def test_a_short_secret_of_the_vendor_signs_without_a_warning() -> None:
    hmac = jwt.get_algorithm_by_name("HS256")
    head_and_claims, _, signature = signer(b"short").token("jane@vance.com", 1).rpartition(".")
    expected = hmac.sign(head_and_claims.encode(), b"short")
    assert jwt.utils.base64url_decode(signature) == expected


def test_extra_claims_are_not_changed_by_signing() -> None:
    extra = {"iss": "acme"}
    made = signer(extra_claims=extra)
    made.token("j@v.com", 1)
    assert claims(made.token("k@v.com", 2))["user"] == {"emailId": "k@v.com"}
    assert extra == {"iss": "acme"}


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_a_token_of_a_key_pair_is_verified_by_its_public_key(algorithm: str, key_pair: KeyPairs) -> None:
    private, public = key_pair(algorithm)
    token = signer(private.encode(), algorithm=algorithm).token("jane@vance.com", 7)
    assert jwt.get_unverified_header(token)["alg"] == algorithm
    assert claims(token, public, algorithm)["config"] == {"projectId": 7}


def test_another_public_key_does_not_verify(key_pair: KeyPairs) -> None:
    token = signer(key_pair("ES256")[0].encode(), algorithm="ES256").token("jane@vance.com", 7)
    with pytest.raises(jwt.InvalidSignatureError):
        claims(token, generate_key_pair("ES256")[1], "ES256")


def test_signing_does_not_parse_the_pem_again(key_pair: KeyPairs, monkeypatch: pytest.MonkeyPatch) -> None:
    made = signer(key_pair("RS256")[0].encode(), algorithm="RS256")
    parsed: list[Any] = []

    def counting(*args: Any, **kwargs: Any) -> Any:
        parsed.append(args)
        return load_pem_private_key(*args, **kwargs)

    monkeypatch.setattr(serialization, "load_pem_private_key", counting)
    monkeypatch.setattr("jwt.algorithms.load_pem_private_key", counting)
    for number in range(3):
        made.token("jane@vance.com", number)
    assert parsed == []

    signer(key_pair("RS256")[0].encode(), algorithm="RS256")
    assert parsed, "the counter does not count"


def test_a_key_pair_for_rocketlane(key_pair: KeyPairs) -> None:
    for algorithm, kind in (("RS256", rsa.RSAPrivateKey), ("ES256", ec.EllipticCurvePrivateKey)):
        private, public = key_pair(algorithm)
        assert private.startswith("-----BEGIN PRIVATE KEY-----\n")
        assert public.startswith("-----BEGIN PUBLIC KEY-----\n")
        loaded = load_pem_private_key(private.encode(), None)
        assert isinstance(loaded, kind)
        assert loaded.public_key() == load_pem_public_key(public.encode())


def test_each_key_pair_is_new() -> None:
    assert generate_key_pair("ES256") != generate_key_pair("ES256")


def test_the_key_is_not_in_the_representation(key_pair: KeyPairs) -> None:
    made = signer(key_pair("ES256")[0].encode(), algorithm="ES256")
    assert "PRIVATE" not in repr(made) + repr(made._settings)
    assert "shared-secret" not in repr(signer()) + repr(signer()._settings)
