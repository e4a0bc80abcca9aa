"""Settings of joining: who gets in who is not yet in, by which door, and what signs the links for it."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import import_module
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    PositiveInt,
    field_validator,
    model_validator,
)

from portal_gateway.admission.addresses import parse_domain
from portal_gateway.admission.policy import JoinPolicy
from portal_gateway.settings.secrets import Secret

# RFC 2104 section 3: a key shorter than the hash's output weakens it.
MIN_KEY_BYTES = 32


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _domain(value: str) -> str:
    domain = parse_domain(value.strip().removeprefix("@"))
    if domain is None:
        raise ValueError(f"{value!r} is not a domain such as vance.com")
    return domain


Domains = tuple[Annotated[str, AfterValidator(_domain)], ...]


def _kid(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9_-]{1,32}", value):
        raise ValueError("a key's id is 1 to 32 lower-case letters, digits, '-' and '_'")
    return value


class LinkKey(_Model):
    """One key that signs links. `kid` is written into each link, so it tells nothing."""

    kid: Annotated[str, AfterValidator(_kid)] = Field(description="a name for the key, such as `2026-11`")
    secret: Secret = Field(description=f"at least {MIN_KEY_BYTES} bytes; `openssl rand -hex 32` makes one")

    @field_validator("secret")
    @classmethod
    def _long_enough(cls, secret: Secret) -> Secret:
        if len(secret.reveal_bytes()) < MIN_KEY_BYTES:
            raise ValueError(f"must have at least {MIN_KEY_BYTES} bytes; `openssl rand -hex 32` makes one")
        return secret


class JoiningSettings(_Model):
    """What shared and magic links are signed with."""

    keys: tuple[LinkKey, ...] = Field(
        min_length=1, description="the first signs, all are accepted: rotate by putting a new one first"
    )

    @model_validator(mode="after")
    def _one_key_per_id(self) -> JoiningSettings:
        if len({key.kid for key in self.keys}) < len(self.keys):
            raise ValueError("two keys have the same kid")
        return self


def _function(path: str) -> str:
    load_function(path)
    return path


def load_function(path: str) -> Callable[..., Any]:
    """The function that "package.module:function" names. Raises ValueError."""
    module, _, name = path.partition(":")
    try:
        function = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        raise ValueError(f"{path!r} cannot be imported ({error}); write package.module:function") from None
    if not callable(function):
        raise ValueError(f"{path!r} is no function")
    return function  # type: ignore[no-any-return]


class InvitePermission(_Model):
    """Who of the signed-in end users may invite: those for whom everything that is set here holds."""

    attributes: dict[str, JsonValue] = Field(
        {}, description="attributes of the end user and the value each must have; one of several in a list"
    )
    email_domains: Domains = Field((), description="domains of which the user has a verified address")
    function: Annotated[str, AfterValidator(_function)] | None = Field(
        None, description="`package.module:function`, given the EndUser; only true lets invite; may be async"
    )

    @model_validator(mode="after")
    def _says_something(self) -> InvitePermission:
        if not self.model_fields_set:
            raise ValueError("say who may invite: attributes, email_domains or function")
        return self


class InvitationSettings(_Model):
    """The second door: end users with the permission invite others to their own company's projects."""

    allow: InvitePermission = Field(description="who may invite")
    deliver: Literal["mail", "vendor"] = Field(
        "mail", description="`vendor` adds people at once through the vendor's API; telling them is the vendor's"
    )
    days: int = Field(7, gt=0, le=30, description="how long an invitation's link is good")


class JoinLimits(_Model):
    """How often somebody may ask in an hour, by all workers and replicas together that share a `cache`."""

    per_address: PositiveInt = Field(5, description="mails to one address")
    per_client: PositiveInt = Field(60, description="forms sent from one IP address (IPv6: one /64)")
    per_sender: PositiveInt = Field(60, description="people invited by one end user")
    per_portal: PositiveInt = Field(600, description="mails altogether")


class JoinSettings(_Model):
    """Who may become a member of a project, and by which doors. `join: jwt` is short for `join: {jwt: true}`."""

    jwt: bool = Field(False, description="end users of the app with a verified address join at the click")
    link: bool = Field(False, description="`/portal/{name}/join`: a page that mails a link to whoever may join")
    invitations: InvitationSettings | None = Field(None, description="`/portal/{name}/invitations`")
    domains: Domains = Field((), description="e-mail domains that may join any project")
    own_domains: bool = Field(True, description="the domain of the customer's web site, as the vendor knows it, may")
    project_domains: dict[int, Domains] = Field({}, description="by project id: further domains that may join it")
    subdomains: bool = Field(False, description="a domain stands for those below it as well")
    denied_domains: Domains = Field((), description="may never join, nor those below")
    anyone: bool = Field(False, description="any address may join, except free mail: meant for open projects only")
    free_mail: bool = Field(False, description="with `anyone`: also addresses at gmail.com and the like")
    reveal: bool = Field(False, description="tell whoever asks for a link whether that address may join")
    minutes: int = Field(15, gt=0, le=24 * 60, description="how long a link that somebody asked for is good")
    limits: JoinLimits = Field(JoinLimits(), description="how often somebody may ask")

    @model_validator(mode="after")
    def _fits_together(self) -> JoinSettings:
        if not (self.jwt or self.link or self.invitations):
            raise ValueError("opens no door: set jwt, link or invitations")
        if self.free_mail and not self.anyone:
            raise ValueError("`free_mail` is for `anyone`; name single domains in `domains`")
        return self

    def domains_of(self, project_id: int) -> frozenset[str]:
        """The domains that may join this project besides."""
        return frozenset(self.project_domains.get(project_id, ()))

    @property
    def policy(self) -> JoinPolicy:
        return JoinPolicy(
            domains=frozenset(self.domains),
            denied_domains=frozenset(self.denied_domains),
            own_domains=self.own_domains,
            subdomains=self.subdomains,
            free_mail=self.free_mail,
            anyone=self.anyone,
        )

    @property
    def makes_links(self) -> bool:
        return self.link or self.invitations is not None

    @property
    def sends_mail(self) -> bool:
        return self.link or (self.invitations is not None and self.invitations.deliver == "mail")


def _written_out(value: Any) -> Any:
    return {"jwt": True} if value == "jwt" else value


JoinOption = Annotated[
    JoinSettings | None,
    BeforeValidator(_written_out, json_schema_input_type=JoinSettings | Literal["jwt"] | None),
]
