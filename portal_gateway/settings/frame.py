"""How a portal is framed: what its iframe may do, how long it may load, when it is loaded anew."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

# What a vendor's page may be given: https://www.w3.org/TR/permissions-policy/
Feature = Literal[
    "autoplay",
    "camera",
    "clipboard-read",
    "clipboard-write",
    "display-capture",
    "encrypted-media",
    "fullscreen",
    "geolocation",
    "microphone",
    "picture-in-picture",
    "publickey-credentials-get",
    "storage-access",
    "web-share",
]

# https://html.spec.whatwg.org/multipage/iframe-embed-object.html#attr-iframe-sandbox, without those that would let the
# frame take the whole page elsewhere on its own.
SandboxToken = Literal[
    "allow-downloads",
    "allow-forms",
    "allow-modals",
    "allow-pointer-lock",
    "allow-popups",
    "allow-popups-to-escape-sandbox",
    "allow-presentation",
    "allow-same-origin",
    "allow-scripts",
    "allow-storage-access-by-user-activation",
    "allow-top-navigation-by-user-activation",
]

# An app of its own origin, with log-in, uploads, files to download, and links that open tabs.
_SANDBOX: tuple[SandboxToken, ...] = (
    "allow-scripts",
    "allow-same-origin",
    "allow-forms",
    "allow-modals",
    "allow-popups",
    "allow-popups-to-escape-sandbox",
    "allow-downloads",
    "allow-storage-access-by-user-activation",
)


class FrameSettings(BaseModel):
    """How a portal is shown in an iframe: in your pages, by `<portal-frame>` and on the portal's own page."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    title: str | None = Field(
        None, min_length=1, description="read out by screen readers; the portal's label if absent"
    )
    allow: tuple[Feature, ...] = Field(
        ("storage-access", "fullscreen", "clipboard-write"),
        description="browser features that the vendor's origin, and no other, may use in the iframe",
    )
    sandbox: tuple[SandboxToken, ...] | None = Field(
        _SANDBOX,
        description="what the iframe may do; `null` for no sandbox, which some browsers' PDF viewer needs. Never "
        "may it take the page elsewhere without a click",
    )
    loading: Literal["lazy", "eager"] = Field("lazy", description="`eager` loads it before it is in view")
    timeout_s: float = Field(
        15.0, gt=0, le=600, description="`<portal-frame>`: seconds in view after which it says that something is wrong"
    )
    renew_s: float | None = Field(
        None,
        gt=0,
        le=86_400,
        description="`<portal-frame>`: seconds after which the portal is loaded anew, signed in again; while somebody "
        "is at work in it, it asks instead",
    )

    def attributes(self, label: str, origin: str, referrer_policy: str) -> dict[str, str]:
        """The attributes of an iframe whose address leads to `origin`, except that address."""
        attributes = {
            "title": self.title or label,
            # By name: without one, a feature is for the origin of `src` alone, which is ours and redirects.
            "allow": "; ".join(f"{feature} {origin}" for feature in self.allow),
            "loading": self.loading,
            "referrerpolicy": referrer_policy,
        }
        return attributes if self.sandbox is None else {**attributes, "sandbox": " ".join(self.sandbox)}
