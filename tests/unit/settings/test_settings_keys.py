from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from portal_gateway.settings.keys import load_signing_key, load_verify_key

SHARED = b"a shared secret of sufficient length"


@cache
def _key(kind: str) -> Any:
    return {
        "rsa": lambda: rsa.generate_private_key(65537, 2048),
        "rsa1024": lambda: rsa.generate_private_key(65537, 1024),
        "dsa": lambda: dsa.generate_private_key(2048),
        "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
        "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
        "ed25519": ed25519.Ed25519PrivateKey.generate,
        "ed448": ed448.Ed448PrivateKey.generate,
    }[kind]()


def private_pem(kind: str, form: PrivateFormat = PrivateFormat.PKCS8, password: bytes | None = None) -> bytes:
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    return bytes(_key(kind).private_bytes(Encoding.PEM, form, encryption))


def public_pem(kind: str) -> bytes:
    return bytes(_key(kind).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def certificate_pem(kind: str) -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "issuer")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, _key(kind).public_key(), 1, now, now + timedelta(hours=1))
    digest = None if kind.startswith("ed") else hashes.SHA256()
    return builder.sign(_key(kind), digest).public_bytes(Encoding.PEM)


# --- signing --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("algorithm", "secret"),
    [
        pytest.param("HS256", SHARED, id="shared secret"),
        pytest.param("RS256", private_pem("rsa"), id="RSA"),
        pytest.param("RS256", private_pem("rsa", PrivateFormat.TraditionalOpenSSL), id="RSA in PKCS#1"),
        pytest.param("RS256", private_pem("rsa") + certificate_pem("rsa"), id="bundle with its certificate"),
        pytest.param("ES256", private_pem("p256"), id="EC"),
        pytest.param("ES256", private_pem("p256", PrivateFormat.TraditionalOpenSSL), id="EC in SEC1"),
    ],
)
def test_a_key_that_signs(algorithm: Any, secret: bytes) -> None:
    key = load_signing_key(secret, algorithm)
    assert jwt.get_unverified_header(jwt.encode({}, key, algorithm))["alg"] == algorithm
    if algorithm != "HS256":
        assert not isinstance(key, bytes | str)  # loaded: PyJWT need not parse it again


@pytest.mark.parametrize(
    ("algorithm", "secret", "problem"),
    [
        pytest.param("HS256", private_pem("rsa"), "this is a PEM key; choose RS256", id="private key as secret"),
        pytest.param("HS256", public_pem("p256"), "this is a PEM key", id="public key as secret"),
        pytest.param("HS256", b"# my key\n" + private_pem("p256"), "this is a PEM key", id="PEM with a comment"),
        pytest.param("HS256", b"ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAB me@here", "another kind", id="SSH key"),
        pytest.param("HS256", b'{"kty": "oct", "k": "c2VjcmV0"}', "JWK", id="JWK"),
        pytest.param("RS256", SHARED, "needs a private key in PEM form", id="shared secret for RSA"),
        pytest.param("RS256", public_pem("rsa"), "this is a public key", id="public key"),
        pytest.param("RS256", certificate_pem("rsa"), "public key or certificate", id="certificate"),
        pytest.param("RS256", private_pem("p256"), "this is an elliptic-curve key on secp256r1", id="EC for RSA"),
        pytest.param("RS256", private_pem("ed25519"), "this is an EdDSA key", id="EdDSA for RSA"),
        pytest.param("RS256", private_pem("dsa"), "this is another kind of key", id="DSA for RSA"),
        pytest.param("RS256", private_pem("rsa1024"), "at least 2048 bits", id="weak RSA"),
        pytest.param("RS256", private_pem("rsa", password=b"pw"), "encrypted", id="encrypted"),
        pytest.param("RS256", private_pem("rsa")[:-100], "in PEM form", id="cut off"),
        pytest.param("RS256", private_pem("rsa").replace(b"\n", b"\\n"), "line breaks", id="one line"),
        pytest.param("ES256", private_pem("rsa"), "this is an RSA key", id="RSA for EC"),
        pytest.param("ES256", private_pem("p384"), "this is an elliptic-curve key on secp384r1", id="other curve"),
        pytest.param("ES256", b"", "in PEM form", id="empty"),
    ],
)
def test_a_key_that_does_not_fit_the_algorithm(algorithm: Any, secret: bytes, problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as caught:
        load_signing_key(secret, algorithm)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert secret.decode() not in str(caught.value) or not secret


# --- verifying ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("algorithms", "secret"),
    [
        (("HS256",), SHARED),
        (("HS256", "HS384", "HS512"), SHARED),
        (("RS256", "RS384", "RS512"), public_pem("rsa")),
        (("RS256",), certificate_pem("rsa")),
        (("ES256",), public_pem("p256")),
        (("ES384",), public_pem("p384")),
        (("EdDSA",), public_pem("ed25519")),
        (("EdDSA",), public_pem("ed448")),
        (("EdDSA",), certificate_pem("ed25519")),
    ],
)
def test_a_key_that_verifies(algorithms: Any, secret: bytes) -> None:
    key = load_verify_key(secret, algorithms)
    kind = {"RS": "rsa", "ES": {"ES256": "p256", "ES384": "p384"}.get(algorithms[0])}.get(algorithms[0][:2])
    if kind:
        token = jwt.encode({"sub": "1"}, _key(kind), algorithms[0])
        assert jwt.decode(token, key, algorithms) == {"sub": "1"}


@pytest.mark.parametrize(
    ("algorithms", "secret", "problem"),
    [
        pytest.param(("HS256", "RS256"), public_pem("rsa"), "one key", id="both kinds: public key as HMAC secret"),
        pytest.param(("HS256",), public_pem("rsa"), "PEM key", id="public key as secret"),
        pytest.param(("RS256",), SHARED, "not a public key", id="shared secret"),
        pytest.param(("RS256",), private_pem("rsa"), "keep the private key", id="private key"),
        pytest.param(("RS256",), public_pem("p256"), "elliptic-curve", id="EC for RSA"),
        pytest.param(("RS256",), public_pem("rsa1024"), "2048", id="weak RSA"),
        pytest.param(("RS256",), certificate_pem("rsa")[:200], "not a public key", id="broken certificate"),
        pytest.param(("ES256", "ES384"), public_pem("p256"), "secp384r1", id="one key on two curves"),
        pytest.param(("ES256", "RS256"), public_pem("p256"), "RSA", id="one key of two kinds"),
        pytest.param(("EdDSA",), public_pem("rsa"), "Ed25519", id="RSA for EdDSA"),
    ],
)
def test_a_key_that_does_not_fit_the_algorithms(algorithms: Any, secret: bytes, problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as caught:
        load_verify_key(secret, algorithms)
    assert secret.decode() not in str(caught.value)
