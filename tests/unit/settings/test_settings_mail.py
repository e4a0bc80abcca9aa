from __future__ import annotations

from typing import Any

import pytest
from settings_fakes import loaded

from portal_gateway.admission.addresses import Address
from portal_gateway.errors import SettingsError
from portal_gateway.settings import mail as module
from portal_gateway.settings.mail import MailSettings, parse_mailbox

MAIL = {"host": "smtp.acme.com", "from": "Acme <portal@acme.com>"}
LOGIN = {"username": "portal", "password": {"env": "SHARED_SECRET"}}


def mail(**values: Any) -> MailSettings:
    settings = loaded(mail={**MAIL, **values}).mail
    assert settings is not None
    return settings


def problem(**values: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        mail(**values)
    [found] = caught.value.problems
    return str(found)


def test_encrypted_by_default() -> None:
    assert (mail().security, mail().server_port) == ("starttls", 587)


@pytest.mark.parametrize(
    ("values", "port"),
    [({"security": "tls"}, 465), ({"security": "none", "host": "localhost"}, 25), ({"port": 2525}, 2525)],
)
def test_ports(values: dict[str, Any], port: int) -> None:
    assert mail(**values).server_port == port


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost", "LOCALHOST"])
def test_in_the_clear_on_this_machine_alone(host: str) -> None:
    assert mail(host=host, security="none").host == host


@pytest.mark.parametrize(
    ("values", "said"),
    [
        pytest.param({"security": "none"}, "is for a relay on this machine", id="in-the-clear"),
        pytest.param({"security": "none", "host": "localhost.evil.com"}, "on this machine", id="looks-local"),
        pytest.param({"security": "none", "host": "::1", **LOGIN}, "a password is not sent unencrypted", id="password"),
        pytest.param({"username": "portal"}, "need each other", id="no-password"),
        pytest.param({"password": {"env": "SHARED_SECRET"}}, "need each other", id="no-username"),
        pytest.param({"host": "smtp.acme.com:587"}, "without a port", id="port-in-host"),
        pytest.param({"host": "[::1]"}, "must be a host name", id="brackets"),
        pytest.param({"host": "smtp://acme"}, "must be a host name", id="url"),
        pytest.param({"host": "a\r\nb"}, "must be a host name", id="lines"),
        pytest.param({"port": 0}, "port", id="port"),
        pytest.param({"from": "Acme"}, "must be an address such as", id="from"),
        pytest.param({"from": "A\r\nBcc: x@y.io <a@b.io>"}, "must be an address such as", id="injection"),
        pytest.param({"from": "=?utf-8?q?x?=@acme.com"}, "must be an address such as", id="encoded-word"),
        pytest.param({"reply_to": "a@b, c@d"}, "must be an address such as", id="reply-to"),
        pytest.param({"ca_file": "/no/such/file.pem"}, "ca_file", id="ca-file"),
    ],
)
def test_what_is_refused(values: dict[str, Any], said: str) -> None:
    assert said in problem(**values)


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_has_client", lambda: False)
    assert "pip install 'portal-gateway[mail]'" in problem()


def test_the_password_is_shown_nowhere() -> None:
    settings = mail(**LOGIN)
    assert settings.password is not None
    assert "nobody-may-see" not in repr(settings) + str(settings)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("portal@acme.com", ""),
        ("<portal@acme.com>", ""),
        ("Acme <portal@acme.com>", "Acme"),
        ('"Acme, Inc." <portal@acme.com>', "Acme, Inc."),
        ("Müller & Söhne <portal@acme.com>", "Müller & Söhne"),
    ],
)
def test_mailboxes(text: str, name: str) -> None:
    assert parse_mailbox(text) == (name, Address("portal", "acme.com"))
