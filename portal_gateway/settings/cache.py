"""Settings of the cache that replicas share: Redis or Valkey."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Annotated, Any
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    model_validator,
)

from portal_gateway.settings.certificates import CertificatesFile
from portal_gateway.settings.secrets import Secret

_FORMS = "redis://HOST:6379/0, rediss://HOST:6379/0 (TLS) or unix:///PATH?db=0"
_DEFAULT_PORT = 6379


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """Where a server is and how to log in. Its text is for people to read: it has no password."""

    host: str = ""
    port: int = _DEFAULT_PORT
    path: str = ""
    tls: bool = False
    database: int = 0
    username: str = ""
    password: str = field(default="", repr=False)

    def __str__(self) -> str:
        if self.path:
            return f"unix://{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"redis{'s' if self.tls else ''}://{host}:{self.port}/{self.database}"


def parse_redis_url(url: str) -> RedisAddress:
    """The address in `url`. Raises ValueError with a message that shows nothing of it."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = SplitResult("", "", "", "", ""), None
    if parts.scheme not in ("redis", "rediss", "unix") or not url.isprintable() or " " in url:
        raise ValueError(f"must be {_FORMS}")
    username, password = unquote(parts.username or ""), unquote(parts.password or "")
    if username and not password:
        raise ValueError(
            "has a user name without a password; write redis://USER:PASSWORD@HOST or redis://:PASSWORD@HOST"
        )
    if parts.scheme == "unix":
        if parts.hostname or not parts.path.strip("/"):
            raise ValueError("a socket's path is absolute, with three slashes: unix:///run/redis/redis.sock")
        return RedisAddress(
            path=unquote(parts.path), database=_database_of_query(parts.query), username=username, password=password
        )
    if not parts.hostname:
        raise ValueError(f"has no host; write {_FORMS}")
    if parts.query or parts.fragment:
        raise ValueError("takes no options behind '?' or '#'; the keys beside `url` are all there are")
    return RedisAddress(
        host=parts.hostname,
        port=_DEFAULT_PORT if port is None else port,
        tls=parts.scheme == "rediss",
        database=_database(parts.path.removeprefix("/") or "0"),
        username=username,
        password=password,
    )


def _database_of_query(query: str) -> int:
    options = parse_qs(query, keep_blank_values=True)
    if options.keys() - {"db"}:
        raise ValueError("knows one option behind '?': db")
    return _database(options.get("db", ["0"])[-1])


def _database(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5):
        raise ValueError("the database is a number, 0 if left out, as in redis://HOST:6379/0")
    return int(text)


def _plain_url(url: str) -> str:
    if parse_redis_url(url).password:
        raise ValueError("has a password in it: put the whole URL into a secret and write {env: NAME} or {file: PATH}")
    return url


def _secret_url(url: Secret) -> Secret:
    parse_redis_url(url.reveal())
    return url


def _needs_extra(url: str | Secret) -> str | Secret:
    if find_spec("redis") is None:  # not imported: that takes some 100 ms, and a worker's memory
        raise ValueError("needs the extra `redis`: pip install 'portal-gateway[redis]'")
    return url


def _form_of(url: Any) -> str:
    return "secret" if isinstance(url, Secret | dict) else "text"


class CacheSettings(BaseModel):
    """Redis or Valkey, by which workers and replicas share decisions, rate limits and one-time tokens."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    url: Annotated[
        Annotated[str, AfterValidator(_plain_url), Tag("text")]
        | Annotated[Secret, AfterValidator(_secret_url), Tag("secret")],
        Discriminator(_form_of),
        AfterValidator(_needs_extra),
    ] = Field(description=f"{_FORMS}; a secret `{{env: NAME}}` or `{{file: PATH}}` if it holds a password")
    ca_file: CertificatesFile | None = Field(
        None,
        description="rediss only: certificates (PEM) that the server's must come from, instead of the system's; "
        "relative to the configuration file",
    )
    timeout_ms: int = Field(
        200,
        gt=0,
        le=10_000,
        description="how long an answer may take, connecting included; then it counts as a miss. Pages wait for their "
        "`budget_ms` at most in any case",
    )
    prefix: str = Field(
        "portal-gateway:",
        pattern=r"^[A-Za-z0-9:._-]{1,64}$",
        description="what all keys and the channel start with, so that the server can be used for other things too",
    )

    def address(self) -> RedisAddress:
        return parse_redis_url(self.url.reveal() if isinstance(self.url, Secret) else self.url)

    @model_validator(mode="after")
    def _certificates_are_for_tls(self) -> CacheSettings:
        if self.ca_file is not None and not self.address().tls:
            raise ValueError("ca_file is for rediss:// URLs; this one is not encrypted")
        return self
