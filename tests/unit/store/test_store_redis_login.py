"""Passwords, permissions and TLS, with a real server."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from redis_server import RedisServer, running_redis
from store_kit import Ear, redis_store, why_unavailable

from portal_gateway.observe.events import Events

DOCS = Path(__file__).parents[3] / "docs"


def certificate(directory: Path, host: str = "127.0.0.1") -> tuple[Path, Path]:
    """A self-signed certificate for `host`, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test cache")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = directory / f"{host}.pem", directory / f"{host}.key"
    cert_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return cert_file, key_file


def tls_options(files: tuple[Path, Path]) -> tuple[str, ...]:
    return ("--tls-cert-file", str(files[0]), "--tls-key-file", str(files[1]), "--tls-auth-clients", "no")


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A server that wants a password: "s3cret p/w" of the default user, and that of the user of the documentation."""
    with running_redis(tmp_path_factory.mktemp("redis"), "--requirepass", "s3cret p/w") as server:
        server.command("--no-auth-warning", "-a", "s3cret p/w", *documented_user("gateway-password").split())
        yield server


def documented_user(password: str) -> str:
    text = (DOCS / "replicas.md").read_text("utf-8")
    line = re.search(r"^ACL SETUSER gateway .*$", text, re.MULTILINE)
    assert line is not None
    return line[0].replace("PASSWORD", password)


@pytest.mark.parametrize(
    "login", [pytest.param(":s3cret%20p%2Fw@", id="password"), pytest.param("default:s3cret%20p%2Fw@", id="user")]
)
@pytest.mark.parametrize("database", [0, 7])
async def test_logs_in(locked: RedisServer, login: str, database: int) -> None:
    store = redis_store(f"redis://{login}127.0.0.1:{locked.port}/{database}")
    await store.put("a", b"1", 60)
    assert await store.get("a") == b"1"
    await store.aclose()
    keyspace = locked.command("--no-auth-warning", "-a", "s3cret p/w", "INFO", "keyspace")
    assert f"db{database}:" in keyspace


@pytest.mark.parametrize(
    ("login", "code"),
    [
        pytest.param(":wrong-s3cret@", "WRONGPASS", id="wrong-password"),
        pytest.param("nobody:wrong-s3cret@", "WRONGPASS", id="unknown-user"),
    ],
)
async def test_a_wrong_password(locked: RedisServer, login: str, code: str, caplog: pytest.LogCaptureFixture) -> None:
    events = Events()
    store = redis_store(f"redis://{login}127.0.0.1:{locked.port}/0", events=events)
    for _ in range(10):
        await why_unavailable(store.get("a"))
    await store.aclose()
    assert caplog.messages == [f"redis://127.0.0.1:{locked.port}/0 is away: at log-in it answered {code}"]
    assert events.counts["store_failed", "", "login"] == 3
    assert "s3cret" not in repr(vars(store))


async def test_no_password_where_one_is_needed(locked: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    store = redis_store(locked.url)
    assert await why_unavailable(store.get("a")) == "it answered NOAUTH"
    await store.aclose()
    assert caplog.messages == [f"{locked.url} refuses get: NOAUTH"]


async def test_a_database_that_there_is_not(healthy_redis: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    store = redis_store(f"redis://127.0.0.1:{healthy_redis.port}/9999")
    await why_unavailable(store.get("a"))
    await store.aclose()
    assert caplog.messages == [f"redis://127.0.0.1:{healthy_redis.port}/9999 is away: at log-in it answered ERR"]


async def test_the_user_of_the_documentation_may_do_all_that_is_needed(locked: RedisServer) -> None:
    store = redis_store(f"redis://gateway:gateway-password@127.0.0.1:{locked.port}/1", prefix="portal-gateway:")
    ear = Ear()
    store.listen(ear.heard, ear.missed)
    await store.put("a", b"1", 60)
    assert await store.get("a") == b"1"
    assert not await store.add("a", b"2", 60)
    assert await store.put_if("a", b"1", "b", b"2", 60)
    assert await store.drop_if("a", b"1")
    assert await store.take("b") == b"2"
    assert await store.spend("c", 60, 1, 0) == 0
    await store.drop("c")
    await ear.until(lambda ear: ear.misses == 1)
    await store.publish(b"hello")
    await ear.until(lambda ear: ear.messages == [b"hello"])
    await store.aclose()


async def test_and_nothing_else(locked: RedisServer) -> None:
    store = redis_store(f"redis://gateway:gateway-password@127.0.0.1:{locked.port}/1", prefix="other:")
    ear = Ear()
    store.listen(ear.heard, ear.missed)
    assert await why_unavailable(store.get("a")) == "it answered NOPERM"
    assert await why_unavailable(store.publish(b"hello")) == "it answered NOPERM"
    await store.aclose()
    assert not ear.misses


@pytest.fixture(scope="module")
def tls_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RedisServer, Path]]:
    directory = tmp_path_factory.mktemp("redis")
    files = certificate(directory)
    with running_redis(directory, *tls_options(files), tls=True) as server:
        yield server, files[0]


async def test_tls(tls_redis: tuple[RedisServer, Path]) -> None:
    server, authority = tls_redis
    store = redis_store(f"rediss://127.0.0.1:{server.port}", ca_file=authority)
    ear = Ear()
    store.listen(ear.heard, ear.missed)
    await store.put("a", b"1" * 100_000, 60)
    assert await store.get("a") == b"1" * 100_000
    await ear.until(lambda ear: ear.misses == 1)
    await store.aclose()


async def test_a_certificate_of_somebody_else(
    tls_redis: tuple[RedisServer, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server, _ = tls_redis
    other, _ = certificate(tmp_path)
    for ca_file in (None, other):
        caplog.clear()
        store = redis_store(f"rediss://127.0.0.1:{server.port}", ca_file=ca_file)
        await why_unavailable(store.get("a"))
        await store.aclose()
        [message] = caplog.messages
        assert "is away: TLS failed: self-signed certificate" in message


async def test_a_certificate_for_another_host(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    files = certificate(tmp_path, "127.0.0.2")
    with running_redis(tmp_path, *tls_options(files), tls=True) as server:
        store = redis_store(f"rediss://127.0.0.1:{server.port}", ca_file=files[0])
        await why_unavailable(store.get("a"))
        await store.aclose()
    assert "certificate is not valid for '127.0.0.1'" in caplog.text


async def test_tls_where_there_is_none_and_the_other_way_round(
    healthy_redis: RedisServer, tls_redis: tuple[RedisServer, Path]
) -> None:
    server, authority = tls_redis
    tls = redis_store(f"rediss://127.0.0.1:{healthy_redis.port}", ca_file=authority, timeout_s=0.5)
    plain = redis_store(f"redis://127.0.0.1:{server.port}", timeout_s=0.5)
    await why_unavailable(tls.get("a"))
    await why_unavailable(plain.get("a"))
    await tls.aclose()
    await plain.aclose()


async def test_a_server_that_hangs_behind_tls(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    files = certificate(tmp_path)
    with running_redis(tmp_path, *tls_options(files), tls=True) as server:
        store = redis_store(f"rediss://127.0.0.1:{server.port}", ca_file=files[0], timeout_s=0.5)
        store.listen(lambda message: None, lambda: None)
        await store.put("a", b"1", 60)
        server.pause()
        for _ in range(3):  # the first over a connection that is open, the others connect
            assert await why_unavailable(store.get("a")) == "no answer in time"
        async with asyncio.timeout(5):
            await store.aclose()
    assert len(caplog.messages) == 1
