"""Content Security Policy of a page: does it let our script and our frame in, and what would (CSP Level 3).

Rules of this file:
1. All policies count, of every header line and of every comma-separated part; one that blocks is enough.
2. Report-only policies block nothing and are never changed.
3. A policy is only ever extended by a frame source, and only when the configuration asks for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from portal_gateway.wire.asgi import RawHeaders
from portal_gateway.wire.headers import HeaderPairs

_HEADER = b"content-security-policy"
_SPACE = "\t\n\f\r "
_CONNECT_FALLBACKS = ("connect-src", "default-src")
_SCRIPT_FALLBACKS = ("script-src-elem", "script-src", "default-src")
_FRAME_FALLBACKS = ("frame-src", "child-src", "default-src")
_NONCE = re.compile(r"'nonce-([A-Za-z0-9+/_-]+={0,2})'", re.IGNORECASE)
_SCHEME_SOURCE = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_HOST_SOURCE = re.compile(
    r"(?:([A-Za-z][A-Za-z0-9+.-]*)://)?(\*|(?:\*\.)?[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*|\[[0-9A-Fa-f:.]+\])"
    r"(?::(\d+|\*))?(/[^?#]*)?"
)
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Policy:
    """One serialized policy: the directives by name; of duplicates the first counts (section 2.2.1)."""

    directives: dict[str, tuple[str, ...]]

    @classmethod
    def parse(cls, text: str) -> Policy:
        directives: dict[str, tuple[str, ...]] = {}
        for part in text.split(";"):
            words = part.strip(_SPACE).split()
            if words:
                directives.setdefault(words[0].lower(), tuple(words[1:]))
        return cls(directives)

    def sources(self, fallbacks: Sequence[str]) -> tuple[str, ...] | None:
        """The source list of the first of `fallbacks` that the policy has; None if it says nothing."""
        return next((self.directives[name] for name in fallbacks if name in self.directives), None)

    def blocks_script(self, own_origin: str) -> bool:
        """Whether a same-origin script element without nonce or integrity is blocked (section 6.7.1.1)."""
        if self.forbids_scripts:
            return True
        sources = self.sources(_SCRIPT_FALLBACKS)
        if sources is None:
            return False
        # Only what a trusted script loads itself passes under strict-dynamic; the parser inserts ours.
        if "'strict-dynamic'" in map(str.lower, sources):
            return True
        return not _matches(sources, own_origin, own_origin)

    def blocks_connect(self, own_origin: str) -> bool:
        """Whether a script's fetch from the page's own origin is blocked (section 6.1.2)."""
        sources = self.sources(_CONNECT_FALLBACKS)
        return sources is not None and not _matches(sources, own_origin, own_origin)

    @property
    def forbids_scripts(self) -> bool:
        """A sandboxed page runs no scripts at all unless it says so (HTML, sandboxing flags)."""
        flags = self.directives.get("sandbox")
        return flags is not None and "allow-scripts" not in map(str.lower, flags)

    def nonces(self) -> tuple[str, ...]:
        sources = self.sources(_SCRIPT_FALLBACKS) or ()
        return tuple(match[1] for source in sources if (match := _NONCE.fullmatch(source)))

    def blocks_frame(self, origin: str, own_origin: str) -> bool:
        sources = self.sources(_FRAME_FALLBACKS)
        return sources is not None and not _matches(sources, origin, own_origin)


@dataclass(frozen=True, slots=True)
class Policies:
    """The enforced policies of a response; none of them when it has no such header."""

    policies: tuple[Policy, ...] = ()

    @classmethod
    def parse(cls, headers: HeaderPairs) -> Policies:
        values = (value for name, value in headers if name.lower() == _HEADER)
        texts = (text for value in values for text in value.decode("latin-1").split(","))
        return cls(tuple(policy for policy in map(Policy.parse, texts) if policy.directives))

    def blocks_script(self, own_origin: str) -> bool:
        """Whether `<script type=module src=/...>` of the page's own origin would not run."""
        return any(policy.blocks_script(own_origin) for policy in self.policies)

    def blocks_connect(self, own_origin: str) -> bool:
        """Whether our script could not ask the page's own origin anything."""
        return any(policy.blocks_connect(own_origin) for policy in self.policies)

    def nonce(self, own_origin: str = "") -> str | None:
        """The page's own nonce with which our script passes every policy, or None.

        Only the page's own: a nonce is never added, since where one is present 'unsafe-inline' is ignored.
        """
        candidates = (nonce for policy in self.policies for nonce in policy.nonces())
        return next((nonce for nonce in candidates if self._passes_with(nonce, own_origin)), None)

    def _passes_with(self, nonce: str, own_origin: str) -> bool:
        return all(
            not policy.forbids_scripts and (nonce in policy.nonces() or not policy.blocks_script(own_origin))
            for policy in self.policies
        )

    def blocks_frame(self, origin: str, own_origin: str) -> bool:
        """Whether an iframe with a document of `origin` would stay empty. A redirect on the way counts too."""
        return any(policy.blocks_frame(origin, own_origin) for policy in self.policies)

    def extended_for_frame(self, headers: RawHeaders, origins: Iterable[str], own_origin: str) -> RawHeaders:
        """`headers` in which every policy lets frames of `origins` load, by way of our own embed route.

        A policy that blocks one of them, or 'self', gets it added to frame-src; where there is no frame-src, one
        is made from the list that frames fell back to. All else stays as it is, byte for byte.
        """
        wanted = list(dict.fromkeys(origins))
        if not wanted or not self.policies:
            return headers
        wanted.insert(0, own_origin)
        return [
            (name, _extended_line(value, wanted, own_origin)) if name.lower() == _HEADER else (name, value)
            for name, value in headers
        ]


def _extended_line(value: bytes, wanted: Sequence[str], own_origin: str) -> bytes:
    parts = value.decode("latin-1").split(",")
    return ",".join(_extended(part, wanted, own_origin) for part in parts).encode("latin-1")


def _extended(text: str, wanted: Sequence[str], own_origin: str) -> str:
    policy = Policy.parse(text)
    added = [
        "'self'" if origin == own_origin else origin for origin in wanted if policy.blocks_frame(origin, own_origin)
    ]
    if not added:
        return text
    sources = policy.sources(_FRAME_FALLBACKS) or ()
    if "frame-src" not in policy.directives:
        # Keywords, nonces and hashes are about scripts and styles; only 'self' means something for a frame.
        kept = [source for source in sources if not source.startswith("'") or source.lower() == "'self'"]
        return f"{text.rstrip(_SPACE + ';')}; frame-src {' '.join([*kept, *added])}"
    directives = text.split(";")
    index = next(i for i, d in enumerate(directives) if d.split()[:1] and d.split()[0].lower() == "frame-src")
    directive = directives[index].rstrip(_SPACE)
    if any(source.lower() == "'none'" for source in sources):
        directive = " ".join([directive.split()[0], *(s for s in sources if s.lower() != "'none'")])
        directive = (" " if index else "") + directive
    directives[index] = " ".join([directive, *added])
    return ";".join(directives)


def _matches(sources: Sequence[str], origin: str, own_origin: str) -> bool:
    """Section 6.7.2.7 "does url match source list", for any URL of `origin`."""
    return any(_matches_source(source, origin, own_origin) for source in sources)


def _matches_source(source: str, origin: str, own_origin: str) -> bool:
    if source.lower() == "'self'":
        return not origin or origin == own_origin
    if source.startswith("'") or not origin:
        return False
    scheme = origin.partition("://")[0]
    if source == "*":
        return scheme in ("http", "https")
    if match := _SCHEME_SOURCE.fullmatch(source):
        return _scheme_matches(match[1].lower(), scheme)
    match = _HOST_SOURCE.fullmatch(source)
    if match is None:
        return False
    expected_scheme = (match[1] or own_origin.partition("://")[0]).lower()
    if not _scheme_matches(expected_scheme, scheme):
        return False
    url = urlsplit(origin)
    # A path counts only before a redirect, and the vendor's document is always reached by one.
    if match[4] not in (None, "/") and origin == own_origin:
        return False
    host = f"[{url.hostname}]" if "[" in url.netloc else url.hostname or ""
    return _host_matches(match[2].lower(), host) and _port_matches(match[3], url.port, scheme)


def _scheme_matches(expected: str, actual: str) -> bool:
    """Section 6.7.2.9: a secure scheme matches where the insecure one is named."""
    return actual == expected or (expected == "http" and actual == "https")


def _host_matches(pattern: str, host: str) -> bool:
    if pattern == "*":
        return True
    return host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern


def _port_matches(expected: str | None, port: int | None, scheme: str) -> bool:
    actual = port or _DEFAULT_PORTS[scheme]
    if expected is None:
        return actual == _DEFAULT_PORTS[scheme]
    return expected == "*" or int(expected) == actual
