"""Settings of the portals: one vendor each, access decisions, and where in the pages its snippet goes."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from jinja2 import TemplateSyntaxError
from jinja2.sandbox import SandboxedEnvironment
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from portal_gateway.html.scanner import Position
from portal_gateway.html.selectors import parse_selector
from portal_gateway.settings.frame import FrameSettings
from portal_gateway.settings.hooks import HookSettings
from portal_gateway.settings.joining import JoinOption
from portal_gateway.settings.keys import SigningAlgorithm, load_signing_key
from portal_gateway.settings.secrets import Secret
from portal_gateway.settings.sso import SsoSettings
from portal_gateway.settings.templates import UserTemplate
from portal_gateway.wire.urls import is_private_channel, origin_of

_ATTRIBUTE_NAME = re.compile(r"[A-Za-z_:][A-Za-z0-9_.:-]*")
_URL_ATTRIBUTES = frozenset({"href", "src", "srcdoc", "style"})


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _vendor_url(value: str) -> str:
    if origin_of(value) is None:
        raise ValueError("must be an http(s) URL without credentials")
    if not is_private_channel(value):
        raise ValueError("must be https: tokens and signed links travel over it")
    if "?" in value or "#" in value:
        raise ValueError("must not have a query or fragment")
    return value.rstrip("/")


VendorUrl = Annotated[str, AfterValidator(_vendor_url)]


def _selector(value: str) -> str:
    parse_selector(value)
    return value


def _path_glob(value: str) -> str:
    if not value.startswith("/"):
        raise ValueError('a path pattern starts with "/", for example "/**" or "/orders/*"')
    return value


def _template(value: str) -> str:
    try:
        SandboxedEnvironment(autoescape=True).parse(value)
    except TemplateSyntaxError as error:
        raise ValueError(f"template line {error.lineno}: {error.message}") from None
    return value


def _attributes(value: dict[str, str]) -> dict[str, str]:
    for name in value:
        if not _ATTRIBUTE_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not an attribute name")
        if name.lower() in _URL_ATTRIBUTES or name.lower().startswith("on"):
            raise ValueError(f"{name!r} is set by the gateway, or would run script; it cannot be set here")
    return value


class AccessSettings(_Model):
    """How long an access decision holds, in seconds, and how long a page waits for one."""

    ttl: PositiveFloat = Field(300.0, description="seconds a granted decision holds")
    denied_ttl: PositiveFloat = Field(60.0, description="seconds a denial holds")
    stale_s: NonNegativeFloat = Field(
        3600.0,
        description="seconds past `ttl` that a yes still shows the link while the vendor is away; 0: never",
    )
    budget_ms: NonNegativeFloat = Field(
        150.0, le=10_000, description="milliseconds a page waits at the placement; then the loader goes in"
    )


class InjectRule(_Model):
    """One place in the host app's pages where a portal's snippet goes."""

    at: Annotated[str, AfterValidator(_selector)] = Field(description="CSS selector of the element")
    position: Position = Field(Position.APPEND, description="`append`, `prepend`, `before`, `after` or `replace`")
    as_: Literal["link", "iframe"] = Field("link", alias="as", description="what goes there")
    template: Annotated[str, AfterValidator(_template)] | None = Field(
        None, description="your own snippet instead of `as`: Jinja2 with portal, label, launch_url, embed_url"
    )
    paths: tuple[Annotated[str, AfterValidator(_path_glob)], ...] = Field(
        ("/**",),
        min_length=1,
        description="pages: `*` is one segment or a part of it, `**` any number of segments",
    )
    mode: Literal["auto", "decided", "loader"] = Field(
        "auto",
        description="`decided`: the server decides and the page becomes private; `loader`: the same bytes for all, "
        "the browser asks; `auto`: the loader in pages that shared caches may keep",
    )
    sign: Literal["click", "inline"] = Field("click", description="`inline` puts the signed link itself into the page")
    all: bool = Field(False, description="every match, not only the first")
    label: str | None = Field(None, description="instead of the portal's label")
    attributes: Annotated[dict[str, str], AfterValidator(_attributes)] = Field(
        {}, description="further HTML attributes of the link or iframe"
    )

    @model_validator(mode="after")
    def _fits_together(self) -> InjectRule:
        if self.template is not None and "as_" in self.model_fields_set:
            raise ValueError("`as` and `template` exclude each other")
        if self.mode == "loader" and self.template is not None:
            raise ValueError("`mode: loader` sends everybody the same bytes, a template is made per user")
        if self.mode == "loader" and self.sign == "inline":
            raise ValueError("`sign: inline` would put one user's signed link into a page for everybody")
        return self


class PlanhatLimits(_Model):
    """How often the vendor is called, by all workers and replicas together that share a `cache`."""

    per_minute: PositiveInt = Field(200, description="calls in any minute; other integrations share the vendor's limit")


class RocketlaneLimits(_Model):
    """How often the vendor is called, by all workers and replicas together that share a `cache`."""

    per_minute: PositiveInt = Field(400, description="calls in any minute; other integrations share the vendor's limit")
    lists_per_minute: PositiveInt = Field(60, description="of them, calls that list projects")


class _Portal(_Model):
    label: str = Field("Customer portal", min_length=1, description="text of the link, title of the iframe")
    timeout_s: float = Field(5.0, gt=0, le=60, description="seconds the vendor may take for one answer")
    referrer_policy: Literal[
        "no-referrer", "origin", "same-origin", "strict-origin", "strict-origin-when-cross-origin"
    ] = Field("strict-origin", description="what the vendor learns of the page; some check the origin")
    csp: Literal["keep", "extend"] = Field(
        "keep", description="`extend` adds the portal to the frame-src of pages that would block its iframe"
    )
    access: AccessSettings = Field(AccessSettings(), description="how long decisions hold and pages wait")
    frame: FrameSettings = Field(FrameSettings(), description="how the portal is shown in an iframe")
    hook: HookSettings | None = Field(
        None, description="turns `POST /portal/-/hooks/{name}` on, by which the vendor says that access changed"
    )
    inject: tuple[InjectRule, ...] = Field((), description="where in the pages the portal's snippet goes")

    @property
    def decision_rules(self) -> str:
        """The settings that access decisions may depend on, as text: all that are the vendor's own."""
        return self.model_dump_json(exclude=set(_Portal.model_fields))


def _header_token(value: Secret) -> Secret:
    # Anything else cannot be sent in a header (RFC 9110 section 5.5), or not as what it is.
    if not re.fullmatch(rb"[!-~]+", value.reveal_bytes()):
        raise ValueError(f"{value.source} holds blanks, line breaks or non-ASCII characters; is it the token?")
    return value


HeaderToken = Annotated[Secret, AfterValidator(_header_token)]


def _end_user_template(value: UserTemplate) -> UserTemplate:
    if "{" not in value.text:
        raise ValueError("has no placeholder such as {id}: everybody would be the same end user")
    return value


def _cluster(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9]{0,16}", value):
        raise ValueError('must be the part after the dash in "app-eu5.planhat.com", here: "eu5"')
    return value


class PlanhatPortal(_Portal):
    """A Planhat portal: access asked of the API, the signed link minted there, valid for 30 seconds."""

    provider: Literal["planhat"] = Field(description="always `planhat`")
    api_token: HeaderToken = Field(description="token of a service account or private app that may read portal tokens")
    cluster: Annotated[str, AfterValidator(_cluster)] = Field(
        "", description='"eu5" for app-eu5.planhat.com; empty for app.planhat.com'
    )
    api_url: VendorUrl | None = Field(None, description="instead of https://api[-cluster].planhat.com")
    portal_url: VendorUrl | None = Field(None, description="instead of https://share[-cluster].planhat.com")
    enduser_id: Annotated[UserTemplate, AfterValidator(_end_user_template)] = Field(
        UserTemplate("extid-{id}"),
        description="the id Planhat knows the user by: extid-, srcid- or nothing before the value",
    )
    resolve: Literal["direct", "email"] = Field(
        "direct", description="`email` looks the Planhat _id up by e-mail first and ignores enduser_id"
    )
    access_keys: tuple[str, ...] = Field(
        ("access", "hasAccess"),
        description="keys under which an access answer in object form holds its boolean",
    )
    access_yes: tuple[str, ...] = Field(
        (), description="further texts by which an access answer, or one under such a key, means yes"
    )
    access_no: tuple[str, ...] = Field((), description="further texts that mean no")
    limits: PlanhatLimits = Field(PlanhatLimits(), description="how often Planhat is called")

    @model_validator(mode="after")
    def _never_inline(self) -> PlanhatPortal:
        if any(rule.sign == "inline" for rule in self.inject):
            raise ValueError("`sign: inline` cannot work: Planhat's link lives 30 seconds, a page lives longer")
        return self

    @property
    def api_secret(self) -> Secret:
        return self.api_token

    @property
    def api_base(self) -> str:
        return self.api_url or f"https://api{self._suffix}.planhat.com"

    @property
    def portal_base(self) -> str:
        return self.portal_url or f"https://share{self._suffix}.planhat.com"

    @property
    def _suffix(self) -> str:
        return f"-{self.cluster}" if self.cluster else ""


class SigningSettings(_Model):
    """How Rocketlane tokens are signed."""

    algorithm: SigningAlgorithm = Field("HS256", description="RS256 and ES256 need the public key uploaded")
    key: Secret = Field(description="shared secret for HS256; private key (PEM) for RS256 and ES256")
    lifetime_s: int = Field(60, ge=30, le=86_400, description="seconds until `exp`")
    issued_at: bool = Field(False, description="send `iat`; off, since a fast clock would make tokens invalid")
    extra_claims: dict[str, JsonValue] = Field({}, description="further top-level claims, sent as they are")

    @model_validator(mode="after")
    def _key_fits(self) -> SigningSettings:
        self.load_key()
        reserved = {"user", "config", "exp", "iat"}.intersection(self.extra_claims)
        if reserved:
            raise ValueError(f"extra_claims must not replace {', '.join(sorted(reserved))}")
        return self

    def load_key(self) -> Any:
        """The loaded key. Raises ValueError if it does not fit the algorithm."""
        return load_signing_key(self.key.reveal_bytes(), self.algorithm)


class ProjectSettings(_Model):
    """Which Rocketlane project a user gets: the projects of their company, or one fixed project of it."""

    company_id: UserTemplate = Field(
        UserTemplate("{company_id}"), description="Rocketlane's numeric companyId of the user's company"
    )
    id: Annotated[int, Field(gt=0)] | None = Field(None, description="only this project")


def _domain(value: str) -> str:
    domain = value.strip().lower().removeprefix("@").rstrip(".")
    try:
        encoded = domain.encode("idna").decode()
    except UnicodeError:
        encoded = ""
    if not re.fullmatch(r"([a-z0-9-]+\.)+[a-z0-9-]+", encoded):
        raise ValueError(f"{value!r} is not a domain such as vance.com")
    if not domain.isascii() and encoded.encode().decode("idna") != domain:
        raise ValueError(f"{value!r} would be read as {encoded}; write the domain in its xn-- form")
    return encoded


class RocketlanePortal(_Portal):
    """A Rocketlane portal: a JWT signed here opens the project of the user's company."""

    provider: Literal["rocketlane"] = Field(description="always `rocketlane`")
    portal_url: VendorUrl = Field(description="https://<workspace>.rocketlane.com, or your custom domain")
    api_url: VendorUrl = Field("https://api.rocketlane.com/api/1.0", description="base of the REST API")
    api_key: HeaderToken = Field(description="API key; a project's company is checked before a token is signed")
    signing: SigningSettings = Field(description="how tokens are signed")
    project: ProjectSettings = Field(ProjectSettings(), description="which project a user gets")
    invite_if_absent: bool = Field(
        False, description="a user with a verified e-mail address who is no member yet becomes one"
    )
    allowed_domains: tuple[Annotated[str, AfterValidator(_domain)], ...] = Field(
        (), description="e-mail domains that may enter; empty: any"
    )
    join: JoinOption = Field(
        None, description="who else may become a member, and how; `jwt` is short for `{jwt: true}`"
    )
    sso: SsoSettings | None = Field(
        None, description="turns `/portal/{name}/sso` on, by which the vendor sends visitors to be signed in"
    )
    limits: RocketlaneLimits = Field(RocketlaneLimits(), description="how often Rocketlane is called")

    @model_validator(mode="after")
    def _one_rule_for_joining(self) -> RocketlanePortal:
        if self.join is not None and self.invite_if_absent:
            raise ValueError("`invite_if_absent` and `join` exclude each other; write `join: {jwt: true}` and who may")
        return self

    @property
    def api_secret(self) -> Secret:
        return self.api_key


PortalSettings = Annotated[PlanhatPortal | RocketlanePortal, Field(discriminator="provider")]
