from __future__ import annotations

import sys
from pathlib import Path

import pytest
from settings_fakes import loaded

from portal_gateway.errors import SettingsError
from portal_gateway.settings import Settings, load_settings
from portal_gateway.settings.cache import CacheSettings, RedisAddress, parse_redis_url
from portal_gateway.store.redis import RedisStore
from portal_gateway.store.registry import open_store

SECRET_URL = "rediss://gateway:s3cret%20p%2Fw@cache.acme.com/2"
PLANHAT = {"success": {"provider": "planhat", "api_token": {"env": "T"}}}
ENVIRON = {"T": "token", "URL": SECRET_URL, "WRONG": "http://:s3cret@cache", "NO_PORT": "redis://:s3cret@cache:s3cret"}


def load(**cache: object) -> CacheSettings:
    found = load_settings({"portals": PLANHAT, "cache": cache}, environ=ENVIRON).cache
    assert found is not None
    return found


def refused(**cache: object) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(**cache)
    assert "s3cret" not in str(caught.value)
    return [str(problem) for problem in caught.value.problems]


def test_there_is_none_by_default() -> None:
    assert loaded().cache is None


def test_defaults() -> None:
    cache = load(url="redis://127.0.0.1")
    assert (cache.ca_file, cache.timeout_ms, cache.prefix) == (None, 200, "portal-gateway:")


@pytest.mark.parametrize(
    ("url", "address", "shown"),
    [
        pytest.param("redis://cache", RedisAddress("cache"), "redis://cache:6379/0", id="host"),
        pytest.param(
            "redis://10.0.0.5:6380/3", RedisAddress("10.0.0.5", 6380, database=3), "redis://10.0.0.5:6380/3", id="all"
        ),
        pytest.param("redis://cache/", RedisAddress("cache"), "redis://cache:6379/0", id="slash"),
        pytest.param("rediss://cache", RedisAddress("cache", tls=True), "rediss://cache:6379/0", id="tls"),
        pytest.param("redis://[::1]:1", RedisAddress("::1", 1), "redis://[::1]:1/0", id="ipv6"),
        pytest.param("redis://:p%40%3A@c", RedisAddress("c", password="p@:"), "redis://c:6379/0", id="password"),
        pytest.param(
            "redis://u:s3cret@c", RedisAddress("c", username="u", password="s3cret"), "redis://c:6379/0", id="user"
        ),
        pytest.param("unix:///run/r.sock", RedisAddress(path="/run/r.sock"), "unix:///run/r.sock", id="socket"),
        pytest.param("unix:///r.sock?db=2", RedisAddress(path="/r.sock", database=2), "unix:///r.sock", id="socket-db"),
        pytest.param(
            "unix://:s3cret@/r.sock", RedisAddress(path="/r.sock", password="s3cret"), "unix:///r.sock", id="socket-pw"
        ),
    ],
)
def test_urls(url: str, address: RedisAddress, shown: str) -> None:
    assert parse_redis_url(url) == address
    assert str(address) == shown
    assert not address.password or address.password not in repr(address)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        pytest.param("", "must be redis://HOST", id="empty"),
        pytest.param("cache:6379", "must be redis://HOST", id="no-scheme"),
        pytest.param("http://cache", "must be redis://HOST", id="http"),
        pytest.param("redis://cache:port", "must be redis://HOST", id="port"),
        pytest.param("redis://cache:99999", "must be redis://HOST", id="large-port"),
        pytest.param("redis://[::1", "must be redis://HOST", id="half-ipv6"),
        pytest.param("redis://ca che", "must be redis://HOST", id="blank"),
        pytest.param("redis://cache\n", "must be redis://HOST", id="newline"),
        pytest.param("redis:///0", "has no host", id="no-host"),
        pytest.param("redis://cache/one", "the database is a number", id="database"),
        pytest.param("redis://cache/-1", "the database is a number", id="negative-database"),
        pytest.param("redis://cache/0/1", "the database is a number", id="path"),
        pytest.param("redis://cache?db=1", "takes no options", id="options"),
        pytest.param("redis://user@cache", "a user name without a password", id="no-password"),
        pytest.param("redis://:s3cret@cache", "has a password in it", id="password-in-the-file"),
        pytest.param("unix://run/redis.sock", "three slashes", id="relative-socket"),
        pytest.param("unix:///", "three slashes", id="no-socket"),
        pytest.param("unix:///r.sock?timeout=1", "knows one option", id="socket-options"),
        pytest.param(5, "must be a text", id="number"),
        pytest.param({"env": "WRONG"}, "must be redis://HOST", id="secret-of-another-scheme"),
        pytest.param({"env": "NO_PORT"}, "must be redis://HOST", id="secret-without-a-port"),
        pytest.param({"env": "UNSET"}, "environment variable UNSET is not set", id="secret-that-is-not-set"),
        pytest.param({"value": "redis://:s3cret@cache"}, "write a secret as {env: NAME}", id="secret-in-the-file"),
    ],
)
def test_urls_refused(url: object, message: str) -> None:
    [problem] = refused(url=url)
    assert problem.startswith("cache.url: ")
    assert message in problem


def test_a_url_with_a_password_is_a_secret() -> None:
    cache = load(url={"env": "URL"})
    assert cache.address() == RedisAddress(
        "cache.acme.com", tls=True, database=2, username="gateway", password="s3cret p/w"
    )
    for shown in (repr(cache), cache.model_dump_json(), repr(cache.address()), str(cache.address())):
        assert "s3cret" not in shown


@pytest.mark.parametrize(
    ("cache", "problem"),
    [
        pytest.param({}, "cache.url: is required", id="no-url"),
        pytest.param(
            {"url": "redis://c", "timeout": 1}, "cache.timeout: unknown key; did you mean 'timeout_ms'?", id="key"
        ),
        pytest.param(
            {"url": "redis://c", "timeout_ms": 0}, "cache.timeout_ms: input should be greater than 0", id="0-ms"
        ),
        pytest.param({"url": "redis://c", "prefix": "a b"}, "cache.prefix: string should match pattern", id="prefix"),
        pytest.param({"url": "redis://c", "prefix": ""}, "cache.prefix: string should match pattern", id="no-prefix"),
        pytest.param({"url": "rediss://c", "ca_file": "nowhere.pem"}, "cache.ca_file: cannot read ", id="no-file"),
        pytest.param({"url": "rediss://c", "ca_file": __file__}, "holds no certificates in PEM", id="no-pem"),
    ],
)
def test_other_mistakes(cache: dict[str, object], problem: str) -> None:
    [found] = refused(**cache)
    assert problem in found


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    import certifi

    (tmp_path / "ca.pem").write_bytes(Path(certifi.where()).read_bytes())
    return tmp_path / "ca.pem"


def from_file(directory: Path, text: str) -> Settings:
    file = directory / "gateway.yaml"
    file.write_text("portals: {success: {provider: planhat, api_token: {env: T}}}\n" + text)
    return load_settings(file, environ=ENVIRON)


def test_the_authority_is_relative_to_the_configuration(authority: Path) -> None:
    config = from_file(authority.parent, "cache: {url: rediss://cache, ca_file: ca.pem}")
    assert config.cache is not None
    assert config.cache.ca_file == authority


def test_an_authority_needs_tls(authority: Path) -> None:
    assert refused(url="redis://c", ca_file=str(authority)) == [
        "cache: ca_file is for rediss:// URLs; this one is not encrypted"
    ]


def test_the_extra_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    assert refused(url="redis://c") == ["cache.url: needs the extra `redis`: pip install 'portal-gateway[redis]'"]


async def test_the_store_of_a_cache(authority: Path) -> None:
    store = open_store(load(url={"env": "URL"}, ca_file=str(authority)))
    assert isinstance(store, RedisStore)
    assert store.shared
    await store.aclose()
