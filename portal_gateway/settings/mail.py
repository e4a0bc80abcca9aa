"""Settings of mail: the SMTP server that takes it, and whom it is from."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    model_validator,
)

from portal_gateway.admission.addresses import Address, parse_address
from portal_gateway.settings.certificates import CertificatesFile
from portal_gateway.settings.secrets import Secret

_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}")
_NAMED = re.compile(r'"?(?P<name>[^"<>]*?)"?\s*<(?P<address>[^<>]+)>')

# RFC 8314 section 3 and RFC 6409; 25 is what relays on the same machine listen at.
_PORTS = {"starttls": 587, "tls": 465, "none": 25}


def parse_mailbox(text: str) -> tuple[str, Address]:
    """Name (may be empty) and address of "Acme <portal@acme.com>". Raises ValueError."""
    named = _NAMED.fullmatch(text.strip())
    name, address = (named["name"], named["address"]) if named else ("", text)
    parsed = parse_address(address)
    if parsed is None or not name.isprintable():
        raise ValueError('must be an address such as "portal@acme.com" or "Acme <portal@acme.com>"')
    return name, parsed


def _mailbox(text: str) -> str:
    parse_mailbox(text)
    return text


def _host(value: str) -> str:
    if not (_HOST.fullmatch(value) or _is_ipv6(value)):
        raise ValueError("must be a host name or an IP address, without a port: that is `port`")
    if not _has_client():
        raise ValueError("needs the extra `mail`: pip install 'portal-gateway[mail]'")
    return value


def _is_ipv6(value: str) -> bool:
    try:
        return ip_address(value).version == 6
    except ValueError:
        return False


def _has_client() -> bool:
    try:
        import aiosmtplib  # noqa: F401
    except ImportError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


class MailSettings(BaseModel):
    """The SMTP server that mails with links are given to."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    host: Annotated[str, AfterValidator(_host)] = Field(description="name or address of the server")
    port: int | None = Field(
        None, gt=0, le=65_535, description="587 if left out, 465 with `security: tls`, 25 with `security: none`"
    )
    security: Literal["starttls", "tls", "none"] = Field(
        "starttls",
        description="`starttls` encrypts after the greeting or does not send; `tls` from the first byte; `none` is for "
        "a relay on this machine: the mails hold links that sign people in",
    )
    username: str | None = Field(None, min_length=1, description="to log in with; needs `password`")
    password: Secret | None = Field(None, description="to log in with; never sent unencrypted")
    from_: Annotated[str, AfterValidator(_mailbox)] = Field(
        alias="from", description="whom mails are from: `portal@acme.com` or `Acme <portal@acme.com>`"
    )
    reply_to: Annotated[str, AfterValidator(_mailbox)] | None = Field(
        None, description="where answers go; to `from` if left out"
    )
    ca_file: CertificatesFile | None = Field(
        None,
        description="certificates (PEM) that the server's must come from, instead of the system's; relative to the "
        "configuration file",
    )
    timeout_s: float = Field(30.0, gt=0, le=300, description="how long the server may take for one step")

    @property
    def server_port(self) -> int:
        return self.port or _PORTS[self.security]

    @model_validator(mode="after")
    def _nothing_secret_in_the_clear(self) -> MailSettings:
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password need each other")
        if self.security != "none":
            return self
        if self.password is not None:
            raise ValueError("a password is not sent unencrypted: use `security: starttls` or `tls`")
        if self.ca_file is not None:
            raise ValueError("ca_file is for encrypted connections: use `security: starttls` or `tls`")
        if not _is_loopback(self.host):
            raise ValueError("`security: none` is for a relay on this machine (127.0.0.1, ::1, localhost)")
        return self
