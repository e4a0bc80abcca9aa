from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

MakeScope = Callable[..., dict[str, Any]]


@pytest.fixture
def make_scope() -> MakeScope:
    """An HTTP scope as uvicorn makes it; keyword arguments override or add keys."""

    def make(*headers: tuple[bytes, bytes], path: str = "/page", **others: Any) -> dict[str, Any]:
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(b"host", b"app.acme.com"), *headers],
            "client": ("203.0.113.9", 50000),
            "server": ("127.0.0.1", 8000),
            "state": {},
            **others,
        }

    return make


class Clock:
    """Time that passes when the test says so."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


class Issuer:
    """Private keys by kind, their public halves as PEM and as JWK."""

    def __init__(self) -> None:
        self.private: dict[str, Any] = {
            "RS256": rsa.generate_private_key(public_exponent=65537, key_size=2048),
            "ES256": ec.generate_private_key(ec.SECP256R1()),
            "ES384": ec.generate_private_key(ec.SECP384R1()),
            "EdDSA": ed25519.Ed25519PrivateKey.generate(),
        }

    def pem(self, algorithm: str) -> bytes:
        public: bytes = (
            self.private[algorithm]
            .public_key()
            .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        )
        return public

    def jwk(self, algorithm: str, *, kid: str | None = None, private: bool = False, **members: Any) -> Any:
        kind = {"RS": RSAAlgorithm, "ES": ECAlgorithm, "Ed": OKPAlgorithm}[algorithm[:2]]
        key = self.private[algorithm]
        jwk = json.loads(kind.to_jwk(key if private else key.public_key()))
        jwk.pop("key_ops", None)
        return {**jwk, **({"kid": kid} if kid is not None else {}), **members}


@pytest.fixture(scope="session")
def issuer() -> Issuer:
    return Issuer()


class KeyServer:
    """A web server that answers every request with `body`, counts them, and can be told to misbehave."""

    def __init__(self) -> None:
        self.status = 200
        self.body = b""
        self.extra = b""
        self.requests: list[bytes] = []
        self.gate: asyncio.Event | None = None
        self.arrived = asyncio.Event()
        self.url = ""

    def publish(self, *keys: Any) -> None:
        self.status, self.body = 200, json.dumps({"keys": keys}).encode()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.requests.append(await reader.readuntil(b"\r\n\r\n"))
            self.arrived.set()
            if self.gate is not None:
                await self.gate.wait()
            head = f"HTTP/1.1 {self.status} X\r\nContent-Length: {len(self.body)}\r\nConnection: close\r\n"
            writer.write(head.encode() + self.extra + b"\r\n" + self.body)
            await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()


@pytest.fixture
async def key_server() -> AsyncIterator[KeyServer]:
    served = KeyServer()
    server = await asyncio.start_server(served.handle, "127.0.0.1", 0)
    served.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/jwks.json"
    yield served
    if served.gate is not None:
        served.gate.set()
    server.close()
    await server.wait_closed()
