"""What is allowed but probably not meant: warnings for `check`."""

from __future__ import annotations

from collections.abc import Iterator

from portal_gateway.errors import Problem
from portal_gateway.settings.brand import BrandSettings
from portal_gateway.settings.colors import DARK_CARD, LIGHT_CARD, READABLE, contrast, is_readable
from portal_gateway.settings.identity import JwtIdentity
from portal_gateway.settings.portals import RocketlanePortal
from portal_gateway.settings.schema import Settings
from portal_gateway.wire.path_prefixes import PathPrefixes


def advice(settings: Settings) -> Iterator[Problem]:
    """Each doubtful setting with what to do about it."""
    if not settings.identity:
        yield Problem("identity", "no source: nobody will be known unless the middleware is given `identify=...`")
    if settings.login_url is None:
        yield Problem("login_url", "not set: visitors who are not signed in get a page that says so, and no way on")
    for index, source in enumerate(settings.identity):
        if isinstance(source, JwtIdentity) and source.audience is None:
            yield Problem(f"identity[{index}].audience", "not set: set it if your issuer serves several apps")
    yield from _upstreams(settings)
    for name, portal in settings.portals.items():
        if not portal.inject:
            yield Problem(
                f"portals.{name}.inject",
                f"empty: pages get nothing; link to {settings.mount_path}/{name}/ yourself",
            )
        if isinstance(portal, RocketlanePortal) and portal.invite_if_absent and not portal.allowed_domains:
            yield Problem(
                f"portals.{name}.allowed_domains",
                "empty with invite_if_absent: anyone of the company becomes a member of its project",
            )
    yield from _colors(settings.brand)
    if settings.joins and settings.cache is None:
        yield Problem("cache", "not set: links that have been mailed die with the process, a restart included")
    for name, join in settings.joins.items():
        if join.anyone:
            yield Problem(f"portals.{name}.join.anyone", "whoever has a shared link of this portal gets in")


def _upstreams(settings: Settings) -> Iterator[Problem]:
    own = PathPrefixes({settings.mount_path: True, "/": False})
    for prefix in settings.upstreams:
        if own.find(prefix.encode("ascii")):
            yield Problem(
                f"upstream.{prefix}", f"is never asked: {settings.mount_path} (mount_path) is the gateway's own"
            )
    uses_tls = any(url.startswith("https:") for url in settings.upstreams.values())
    if settings.upstream_tls.ca_file is not None and not uses_tls:
        yield Problem("upstream_tls.ca_file", "has no effect: no upstream is https")


def _colors(brand: BrandSettings) -> Iterator[Problem]:
    if brand.color is None and brand.color_dark is not None:
        yield Problem("brand.color_dark", "has no effect without brand.color")
        return
    for key, color, ground in (("color", brand.color, LIGHT_CARD), ("color_dark", brand.color_dark, DARK_CARD)):
        if color is not None and not is_readable(color, ground):
            ratio = contrast(color, ground)
            yield Problem(
                f"brand.{key}",
                f"links in {color} have a contrast of {ratio:.1f}:1 to {ground}; {READABLE}:1 can be read",
            )
