"""What else the gateway needs: the issuer's keys, the app that knows its users, and the cache."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from portal_gateway.identity.fields import user_from
from portal_gateway.identity.jwks import usable_keys
from portal_gateway.probing.calls import Api, Told
from portal_gateway.probing.findings import Finding
from portal_gateway.settings.cache import CacheSettings
from portal_gateway.settings.identity import JwtIdentity, WhoamiIdentity
from portal_gateway.settings.schema import Settings
from portal_gateway.store.base import StoreUnavailable
from portal_gateway.store.registry import open_store
from portal_gateway.wire.path_prefixes import PathPrefixes

TIMEOUT_S = 5.0


def probe_issuer(settings: JwtIdentity) -> Iterator[Finding]:
    """Whether the issuer's keys can be had and used."""
    if settings.jwks_url is None:
        return
    what = f"keys at {settings.jwks_url}"
    told = Api(settings.jwks_url, {}, TIMEOUT_S).get("")
    if told.status != 200:
        yield Finding(
            "problem", what, str(told), "nobody is known by a token until they can be fetched: check jwks_url"
        )
        return
    try:
        keys = usable_keys(told.body, settings.algorithms)
    except ValueError as error:
        yield Finding("problem", what, str(told), f"{error}: check jwks_url and algorithms")
    else:
        names = ", ".join(sorted({algorithm for _, algorithm in keys}))
        yield Finding("ok", what, str(told), f"{sum(map(len, keys.values()))} usable, for {names}")


def probe_whoami(settings: WhoamiIdentity, upstreams: Mapping[str, str], ca_file: Path | None) -> Iterator[Finding]:
    """How the app answers when nobody is signed in. `upstreams` are the apps by prefix."""
    what = f"{settings.path} of the app, without a session"
    if not upstreams:
        yield Finding("note", what, meaning="not tried: which app is behind the gateway is known for the sidecar only")
        return
    upstream = PathPrefixes(upstreams).find(settings.path.partition("?")[0].encode("ascii"))
    if upstream.startswith("unix:"):
        yield Finding("note", what, meaning="not tried: the app listens on a Unix socket")
        return
    api = Api(upstream, {"accept": "application/json"}, settings.timeout_s, ca_file=ca_file)
    told = api.get(settings.path)
    meaning = _whoami_problem(told, settings)
    yield Finding("problem", what, str(told), meaning) if meaning else Finding("ok", what, str(told), "read as: nobody")


def _whoami_problem(told: Told, settings: WhoamiIdentity) -> str:
    match told.status:
        case 0:
            return "nobody is known while the app is away: is upstream right?"
        case 404:
            return "the app has no such path: check identity's path"
        case 401 | 403:
            return ""
        case 200:
            return _anonymous_problem(told, settings)
        case status if 300 <= status < 400:
            return ""
    return "read as trouble: it must be 401 where nobody is signed in"


def _anonymous_problem(told: Told, settings: WhoamiIdentity) -> str:
    try:
        document = json.loads(told.body)
    except (ValueError, RecursionError):
        document = False
    if document is None:
        return ""
    if not isinstance(document, dict):
        return "no JSON object: the path must answer JSON for a signed-in user, and 401 for others"
    known = user_from(document, settings.fields) is not None
    return "it knows somebody although no session was sent: everybody would be that user" if known else ""


async def probe_cache(settings: CacheSettings) -> Finding:
    """Whether the shared store answers a read."""
    what = f"cache at {settings.address()}"
    store = open_store(settings)
    began = time.monotonic()
    try:
        await store.get(f"check:{secrets.token_hex(8)}")
    except StoreUnavailable as error:
        meaning = "the gateway works without it, but replicas share nothing: check cache.url, or raise cache.timeout_ms"
        return Finding("problem", what, f"no answer: {error or 'time-out'}", meaning)
    finally:
        await store.aclose()
    return Finding("ok", what, f"answered in {(time.monotonic() - began) * 1000:.0f} ms")


def identity_findings(settings: Settings) -> Iterator[Finding]:
    """All findings about the identity sources that depend on others."""
    for source in settings.identity:
        if isinstance(source, JwtIdentity):
            yield from probe_issuer(source)
        elif isinstance(source, WhoamiIdentity):
            yield from probe_whoami(source, settings.upstreams, settings.upstream_tls.ca_file)
