from __future__ import annotations

import ssl

import pytest

from portal_gateway.proxy.origin import Origin


@pytest.mark.parametrize(
    ("url", "host", "port", "authority"),
    [
        ("http://127.0.0.1:8000", "127.0.0.1", 8000, b"127.0.0.1:8000"),
        ("http://127.0.0.1:8000/", "127.0.0.1", 8000, b"127.0.0.1:8000"),
        ("http://app.internal", "app.internal", 80, b"app.internal"),
        ("http://APP.internal:80", "app.internal", 80, b"app.internal"),
        ("http://[::1]:9000", "::1", 9000, b"[::1]:9000"),
    ],
)
def test_http_origins(url: str, host: str, port: int, authority: bytes) -> None:
    assert Origin.parse(url) == Origin(host, port, authority, None)
    assert Origin.parse(url).server_hostname is None


def test_unix_sockets() -> None:
    assert Origin.parse("unix:/run/app.sock") == Origin("localhost", 0, b"localhost", None, "/run/app.sock")


def test_https_is_verified_against_the_host_name() -> None:
    origin = Origin.parse("https://app.internal")
    assert (origin.port, origin.server_hostname) == (443, "app.internal")
    assert origin.tls is not None
    assert origin.tls.verify_mode is ssl.CERT_REQUIRED
    assert origin.tls.check_hostname


@pytest.mark.parametrize("url", ["http://app/base", "http://app/?a=b", "http://app/#x", "http://app//"])
def test_a_path_is_refused_with_its_reason(url: str) -> None:
    with pytest.raises(ValueError, match="must not have a path"):
        Origin.parse(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "app:8000",
        "ftp://app",
        "//app",
        "http://",
        "http://user@app",
        "http://app:99999",
        "http://a pp",
        "http://äpp",
        "unix:",
        "unix:app.sock",
        "unix://run/app.sock",
    ],
)
def test_what_is_no_origin_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="upstream must be"):
        Origin.parse(url)
