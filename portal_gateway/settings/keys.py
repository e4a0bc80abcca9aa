"""Keys for JWT signing and verification: loaded once, checked against the algorithm they are meant for.

A loaded key makes an RS256 signature in 0.3 ms; handing PyJWT the PEM text makes it parse and check the key
each time, which takes 37 ms.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

SigningAlgorithm = Literal["HS256", "RS256", "ES256"]
VerifyAlgorithm = Literal["HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "ES256", "ES384", "EdDSA"]

SYMMETRIC = frozenset(a for a in get_args(VerifyAlgorithm) if a.startswith("HS"))
_MIN_RSA_BITS = 2048  # RFC 7518 section 3.3


def load_signing_key(secret: bytes, algorithm: SigningAlgorithm) -> Any:
    """The key object PyJWT signs with: bytes for HS256, a private key otherwise.

    Raises ValueError with what is wrong and what to do; the message never holds the key.
    """
    if algorithm == "HS256":
        return _shared_secret(secret)
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    if b"PRIVATE KEY" not in secret and (b"PUBLIC KEY" in secret or b"BEGIN CERTIFICATE" in secret):
        raise ValueError(f"{algorithm} signs with the private key, but this is a public key or certificate")
    if b"\\n" in secret:
        raise ValueError("the key's line breaks are written as \\n; keep real ones, easiest in a {file: PATH}")
    try:
        key = load_pem_private_key(secret, password=None)
    except TypeError:
        raise ValueError("the private key is encrypted; store it without a passphrase") from None
    except Exception:
        raise ValueError(f"{algorithm} needs a private key in PEM form; `portal-gateway keygen` makes one") from None
    _check_kind(key, algorithm)
    return key


def load_verify_key(secret: bytes, algorithms: tuple[VerifyAlgorithm, ...]) -> Any:
    """The key object PyJWT verifies with. Raises ValueError with what is wrong and what to do.

    Symmetric and asymmetric algorithms must not be mixed (RFC 8725 section 2.1).
    """
    symmetric = SYMMETRIC.intersection(algorithms)
    if symmetric:
        if len(symmetric) != len(algorithms):
            raise ValueError("HS* and public-key algorithms must not be accepted with one key")
        return _shared_secret(secret)
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
    from cryptography.x509 import load_pem_x509_certificate

    if b"PRIVATE KEY" in secret:
        raise ValueError("verification needs the public key; keep the private key at the issuer")
    try:
        is_certificate = b"BEGIN CERTIFICATE" in secret
        key: object = load_pem_x509_certificate(secret).public_key() if is_certificate else load_pem_public_key(secret)
    except Exception:
        raise ValueError("this is not a public key or certificate in PEM form") from None
    for algorithm in algorithms:
        _check_kind(key, algorithm)
    return key


def _shared_secret(secret: bytes) -> bytes:
    from jwt.algorithms import HMACAlgorithm
    from jwt.exceptions import InvalidKeyError

    if b"-----BEGIN" in secret:
        raise ValueError("HS256 takes a shared secret, but this is a PEM key; choose RS256 or ES256 for it")
    try:
        return HMACAlgorithm(HMACAlgorithm.SHA256).prepare_key(secret)
    except InvalidKeyError:
        raise ValueError("HS256 takes a shared secret, but this is a key of another kind, or a JWK") from None


def _check_kind(key: object, algorithm: str) -> None:
    from cryptography.hazmat.primitives.asymmetric import ed448, ed25519, rsa

    if algorithm.startswith("RS"):
        if not isinstance(key, rsa.RSAPrivateKey | rsa.RSAPublicKey):
            raise ValueError(f"{algorithm} needs an RSA key; this is {_kind_of(key)}")
        if key.key_size < _MIN_RSA_BITS:
            raise ValueError(f"{algorithm} needs an RSA key of at least {_MIN_RSA_BITS} bits")
    elif algorithm.startswith("ES"):
        curve = {"ES256": "secp256r1", "ES384": "secp384r1"}[algorithm]
        if _curve_of(key) != curve:
            raise ValueError(f"{algorithm} needs an elliptic-curve key on {curve}; this is {_kind_of(key)}")
    elif not isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
        raise ValueError(f"{algorithm} needs an Ed25519 or Ed448 key; this is {_kind_of(key)}")


def _curve_of(key: object) -> str | None:
    from cryptography.hazmat.primitives.asymmetric import ec

    return key.curve.name if isinstance(key, ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey) else None


def _kind_of(key: object) -> str:
    if curve := _curve_of(key):
        return f"an elliptic-curve key on {curve}"
    name = type(key).__name__.lower()
    return "an RSA key" if "rsa" in name else "an EdDSA key" if "ed" in name else "another kind of key"
