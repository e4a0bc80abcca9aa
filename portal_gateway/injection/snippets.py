"""The HTML that is inserted. ASCII only, with character references, so that it is right in any page's charset.

URLs in snippets are the gateway's own: the signed link is made at the click or when the iframe loads. Only
`sign: inline` puts a signed link here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from html import escape

from jinja2.sandbox import SandboxedEnvironment

from portal_gateway.injection.rules import Placement

MAX_RENDERED = 1024
_TEMPLATES = SandboxedEnvironment(autoescape=True)


@dataclass(frozen=True, slots=True)
class PortalUrls:
    """The gateway's own URLs for one portal, relative to the site's origin."""

    launch: str
    embed: str

    @classmethod
    def under(cls, mount: str, portal: str) -> PortalUrls:
        return cls(f"{mount}/{portal}/launch", f"{mount}/{portal}/embed")


class Snippets:
    """Renders snippets. Those that hold our own URLs are the same for all users and are rendered once."""

    def __init__(self, mount_path: str, script_path: str, referrer_policies: Mapping[str, str]) -> None:
        """`script_path` is the widget's URL path; `referrer_policies` are by portal name."""
        self._mount_path = mount_path
        self._script_path = script_path
        self._referrer_policies = dict(referrer_policies)
        # Root paths are few, unless the app is mounted under a path parameter.
        self._rendered = lru_cache(maxsize=MAX_RENDERED)(self._unsigned)

    def decided(self, placement: Placement, root_path: str, signed: str | None = None) -> bytes:
        """The snippet for a user with access. `signed` is a signed link to put into the page itself."""
        if signed is None:
            return self._rendered(placement, root_path)
        urls = PortalUrls.under(root_path + self._mount_path, placement.portal)
        # The link beside an iframe stays our own: a signed link may open only once.
        urls = replace(urls, launch=signed) if placement.purpose == "link" else replace(urls, embed=signed)
        return decided_snippet(placement, urls, self._referrer_policies[placement.portal])

    def _unsigned(self, placement: Placement, root_path: str) -> bytes:
        urls = PortalUrls.under(root_path + self._mount_path, placement.portal)
        return decided_snippet(placement, urls, self._referrer_policies[placement.portal])

    def loader(self, placement: Placement, root_path: str, nonce: str | None) -> bytes:
        """The snippet for everybody; `nonce` is the page's own, for pages that demand one."""
        return loader_snippet(placement, root_path + self._mount_path, root_path + self._script_path, nonce)


def decided_snippet(placement: Placement, urls: PortalUrls, referrer_policy: str) -> bytes:
    """The link, the iframe with a visible link beside it, or the rule's own template."""
    rule = placement.rule
    if rule.template is not None:
        template = _TEMPLATES.from_string(rule.template)
        return _ascii(
            template.render(
                portal=placement.portal, label=placement.label, launch_url=urls.launch, embed_url=urls.embed
            )
        )
    link = _link(placement, urls.launch, referrer_policy)
    if rule.as_ == "link":
        return _ascii(link)
    frame: dict[str, str] = {
        "class": "portal-frame",
        "src": urls.embed,
        **placement.frame_attributes,
        "width": "100%",
        "height": "720",
        "data-portal": placement.portal,
    }
    open_link = {**_link_attributes(placement, urls.launch, referrer_policy), "class": "portal-frame-open"}
    return _ascii(
        f"<iframe{_attributes({**frame, **rule.attributes})}></iframe>"
        f"<a{_attributes(open_link)}>{escape(placement.open_text)}</a>"
    )


def loader_snippet(placement: Placement, mount: str, script_url: str, nonce: str | None = None) -> bytes:
    """The same bytes for everyone: an element that asks /access from the browser, and the script that defines it."""
    rule = placement.rule
    element = "portal-link" if rule.as_ == "link" else "portal-frame"
    attributes = {
        "portal": placement.portal,
        "label": placement.label if element == "portal-link" else placement.frame_attributes["title"],
        "mount": mount,
        **({"light": ""} if element == "portal-link" else {}),
        **({"replaces": ""} if rule.position.value == "replace" else {}),
        **rule.attributes,
    }
    script = {"type": "module", "src": script_url, **({"nonce": nonce} if nonce else {})}
    # The element comes last, so that what it replaces is its next sibling.
    return _ascii(f"<script{_attributes(script)}></script><{element}{_attributes(attributes)}></{element}>")


def _link(placement: Placement, url: str, referrer_policy: str) -> str:
    attributes = {**_link_attributes(placement, url, referrer_policy), **placement.rule.attributes}
    return f"<a{_attributes(attributes)}>{escape(placement.label)}</a>"


def _link_attributes(placement: Placement, url: str, referrer_policy: str) -> dict[str, str]:
    return {
        "class": "portal-link",
        "href": url,
        "target": "_blank",
        "rel": "noopener nofollow",
        "referrerpolicy": referrer_policy,
        "data-portal": placement.portal,
        # A prefetched launch would be refused, and the click after it slower: client-side routers keep off.
        "data-turbo": "false",
        "data-no-prefetch": "",
    }


def _attributes(attributes: Mapping[str, str]) -> str:
    return "".join(f' {name}="{escape(value)}"' for name, value in attributes.items())


def _ascii(text: str) -> bytes:
    return text.encode("ascii", "xmlcharrefreplace")
