from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from pydantic import TypeAdapter, ValidationError

from portal_gateway.settings.identity import (
    HeadersIdentity,
    IdentitySettings,
    JwtIdentity,
    ScopeIdentity,
    WhoamiIdentity,
)

PARSE: TypeAdapter[Any] = TypeAdapter(IdentitySettings)
JWKS = "https://id.acme.com/jwks.json"


def pem_of(key: Any) -> str:
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    text: str = key.public_key().public_bytes(serialization.Encoding.PEM, spki).decode()
    return text


@pytest.fixture(scope="module")
def environ() -> dict[str, str]:
    rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = rsa_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return {
        "RSA": pem_of(rsa_key),
        "RSA_PRIVATE": private.decode(),
        "RSA_1024": pem_of(rsa.generate_private_key(public_exponent=65537, key_size=1024)),
        "P256": pem_of(ec.generate_private_key(ec.SECP256R1())),
        "S31": "s" * 31,
        "S32": "s" * 32,
        "S48": "s" * 48,
        "S64": "s" * 64,
    }


def jwt_of(environ: dict[str, str], **given: Any) -> JwtIdentity:
    parsed: JwtIdentity = PARSE.validate_python({"source": "jwt", **given}, context={"environ": environ})
    return parsed


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({"source": "scope", "session": {"id": "user_id"}}, ScopeIdentity),
        ({"source": "scope", "user": {"id": "username"}}, ScopeIdentity),
        ({"source": "headers", "id": "X-User-Id"}, HeadersIdentity),
        ({"source": "jwt", "jwks_url": JWKS, "algorithms": ["RS256"]}, JwtIdentity),
        ({"source": "whoami", "path": "/api/me?full=1", "fields": {"id": "user.id"}}, WhoamiIdentity),
    ],
    ids=lambda value: value["source"] if isinstance(value, dict) else "",
)
def test_each_source(given: Any, kind: type) -> None:
    assert isinstance(PARSE.validate_python(given), kind)


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({}, id="no-source"),
        pytest.param({"source": "query"}, id="unknown-source"),
        pytest.param({"source": "scope"}, id="scope-of-nothing"),
        pytest.param({"source": "scope", "session": {}}, id="session-without-id"),
        pytest.param({"source": "scope", "session": {"id": ""}}, id="empty-path"),
        pytest.param({"source": "scope", "session": {"id": "a", "phone": "b"}}, id="unknown-field"),
        pytest.param({"source": "headers"}, id="headers-without-id"),
        pytest.param({"source": "headers", "id": "X-User", "cookie": "a"}, id="key-of-another-source"),
        pytest.param({"source": "whoami", "path": "/me"}, id="whoami-without-fields"),
        pytest.param({"source": "whoami", "fields": {"id": "id"}}, id="whoami-without-path"),
    ],
)
def test_refused(given: Any) -> None:
    with pytest.raises(ValidationError):
        PARSE.validate_python(given)


@pytest.mark.parametrize(
    "name",
    ["X User", "X-User:", "X-Usér", "", "X\n", "Cookie", "authorization", "HOST", "User_Agent", "X-Forwarded-For"],
    ids=repr,
)
@pytest.mark.parametrize("field", ["id", "email", "attributes"])
def test_header_names_that_cannot_be_identity(name: str, field: str) -> None:
    value = {"role": name} if field == "attributes" else name
    with pytest.raises(ValidationError):
        PARSE.validate_python({"source": "headers", "id": "X-User-Id", field: value})


def test_header_names_lists_all() -> None:
    given = {"source": "headers", "id": "X-Id", "company_id": "X-Co", "attributes": {"a": "X-A"}}
    assert PARSE.validate_python(given).header_names() == ["X-Id", "X-Co", "X-A"]


@pytest.mark.parametrize(
    ("url", "accepted"),
    [
        (JWKS, True),
        ("https://127.0.0.1/jwks", True),
        ("http://127.0.0.1:8080/jwks", True),
        ("http://127.1.2.3/jwks", True),
        ("http://localhost:8080/jwks", True),
        ("http://[::1]:8080/jwks", True),
        ("http://id.acme.com/jwks", False),
        ("http://127.evil.example/jwks", False),
        ("http://127.0.0.1.evil.example/jwks", False),
        ("http://localhost.evil.example/jwks", False),
        ("http://localhost@evil.example/jwks", False),
        ("https://user:password@id.acme.com/jwks", False),
        ("http://10.0.0.1/jwks", False),
        ("file:///etc/passwd", False),
        ("/jwks.json", False),
        ("", False),
    ],
)
def test_jwks_url(url: str, accepted: bool) -> None:
    given = {"source": "jwt", "jwks_url": url, "algorithms": ["RS256"]}
    if accepted:
        assert PARSE.validate_python(given).jwks_url == url
    else:
        with pytest.raises(ValidationError, match="jwks_url"):
            PARSE.validate_python(given)


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"secret": {"env": "S32"}, "algorithms": ["HS256"]}, id="HS256"),
        pytest.param({"secret": {"env": "S48"}, "algorithms": ["HS384"]}, id="HS384"),
        pytest.param({"secret": {"env": "S64"}, "algorithms": ["HS256", "HS512"]}, id="HS512"),
        pytest.param({"public_key": {"env": "RSA"}, "algorithms": ["RS256", "RS512"]}, id="RSA"),
        pytest.param({"public_key": {"env": "P256"}, "algorithms": ["ES256"]}, id="EC"),
    ],
)
def test_keys_that_fit(given: Any, environ: dict[str, str]) -> None:
    settings = jwt_of(environ, **given)
    assert settings.verify_key() is not None
    secret = settings.secret or settings.public_key
    assert secret is not None
    assert secret.reveal() not in repr(settings) + str(settings.model_dump())


def test_keys_at_a_url_are_not_loaded_here(environ: dict[str, str]) -> None:
    assert jwt_of(environ, jwks_url=JWKS, algorithms=["ES256", "EdDSA"]).verify_key() is None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        pytest.param({"algorithms": ["RS256"]}, "exactly one", id="no-key"),
        pytest.param(
            {"jwks_url": JWKS, "public_key": {"env": "RSA"}, "algorithms": ["RS256"]}, "exactly one", id="two-keys"
        ),
        pytest.param({"jwks_url": JWKS}, "algorithms", id="no-algorithms"),
        pytest.param({"jwks_url": JWKS, "algorithms": []}, "algorithms", id="empty-algorithms"),
        pytest.param({"jwks_url": JWKS, "algorithms": ["none"]}, "algorithms", id="none"),
        pytest.param({"jwks_url": JWKS, "algorithms": ["HS256"]}, "cannot be verified with", id="HS-by-url"),
        pytest.param(
            {"jwks_url": JWKS, "algorithms": ["RS256", "HS256"]}, "cannot be verified with", id="mixed-by-url"
        ),
        pytest.param(
            {"public_key": {"env": "RSA"}, "algorithms": ["HS256"]}, "cannot be verified with", id="HS-by-public-key"
        ),
        pytest.param({"secret": {"env": "RSA"}, "algorithms": ["HS256"]}, "PEM", id="PEM-as-secret"),
        pytest.param({"secret": {"env": "S64"}, "algorithms": ["RS256"]}, "PEM", id="secret-as-RSA"),
        pytest.param({"secret": {"env": "S64"}, "algorithms": ["HS256", "RS256"]}, "must not be accepted", id="mixed"),
        pytest.param({"public_key": {"env": "RSA_PRIVATE"}, "algorithms": ["RS256"]}, "public key", id="private"),
        pytest.param({"public_key": {"env": "RSA_1024"}, "algorithms": ["RS256"]}, "2048", id="short-RSA"),
        pytest.param({"public_key": {"env": "P256"}, "algorithms": ["ES384"]}, "secp384r1", id="other-curve"),
        pytest.param({"public_key": {"env": "P256"}, "algorithms": ["ES256", "RS256"]}, "RSA", id="two-kinds"),
        pytest.param({"secret": {"env": "S31"}, "algorithms": ["HS256"]}, "at least 32", id="short-HS256"),
        pytest.param({"secret": {"env": "S32"}, "algorithms": ["HS384"]}, "at least 48", id="short-HS384"),
        pytest.param({"secret": {"env": "S48"}, "algorithms": ["HS512"]}, "at least 64", id="short-HS512"),
        pytest.param({"secret": "s" * 32, "algorithms": ["HS256"]}, "env: NAME", id="secret-in-the-file"),
        pytest.param({"secret": {"env": "NONE"}, "algorithms": ["HS256"]}, "not set", id="secret-missing"),
        pytest.param({"jwks_url": JWKS, "algorithms": ["RS256"], "leeway_s": -1}, "leeway_s", id="leeway"),
        pytest.param({"jwks_url": JWKS, "algorithms": ["RS256"], "leeway_s": 301}, "leeway_s", id="long-leeway"),
    ],
)
def test_keys_that_do_not_fit(given: Any, message: str, environ: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match=message) as caught:
        jwt_of(environ, **given)
    assert "s" * 31 not in str(caught.value) or "secret" in given


@pytest.mark.parametrize(
    "path",
    ["api/me", "//evil.example/me", "https://app/me", "/me\n", "/me x", "/a\\b", "/me#x", "/mé", ""],
    ids=repr,
)
def test_whoami_paths_that_are_refused(path: str) -> None:
    with pytest.raises(ValidationError, match="path of the app"):
        PARSE.validate_python({"source": "whoami", "path": path, "fields": {"id": "id"}})


@pytest.mark.parametrize(("name", "value"), [("cache_s", -1), ("cache_s", 301), ("timeout_s", 0), ("timeout_s", 61)])
def test_whoami_limits(name: str, value: float) -> None:
    given = {"source": "whoami", "path": "/me", "fields": {"id": "id"}, name: value}
    with pytest.raises(ValidationError, match=name):
        PARSE.validate_python(given)
