"""What a proxy changes in headers, as pure functions over raw lists (RFC 9110 section 7.6, RFC 9112).

The rules of this file: order, repetition and values of end-to-end headers survive; hop-by-hop headers never
pass; whatever tells the upstream who the client is comes from this connection or from a trusted peer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from portal_gateway.errors import GatewayError
from portal_gateway.http11.framing import Framing, FramingError, request_framing
from portal_gateway.wire.asgi import RawHeaders, Scope
from portal_gateway.wire.headers import HeaderPairs, first, tokens, values
from portal_gateway.wire.trust import TrustedPeers

# RFC 9110 section 7.6.1 and what RFC 2616 section 13.5.1 listed. `Proxy` is no header at all, but CGI apps
# read it as the environment variable HTTP_PROXY (https://httpoxy.org).
HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"http2-settings",
        b"keep-alive",
        b"proxy",
        b"proxy-authenticate",
        b"proxy-authentication-info",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
# What of a request does not simply pass.
_SPECIAL = HOP_BY_HOP | {b"host", b"content-length"}
# Apps and CGI gateways read `_` as `-`, so both spellings claim the same.
_CLAIMS_ABOUT_CLIENT = re.compile(rb"(?:x[-_]forwarded[-_].*|forwarded|x[-_]real[-_]ip)", re.DOTALL)
_CLAIMS_BEGIN = (b"x-f", b"x_f", b"x-r", b"x_r", b"forwarded")
_FRAMED_CHUNKED = (b"transfer-encoding", b"chunked")
_OURS = frozenset({b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host"})
_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
_TOKEN_BYTES = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# Options of the connection itself, and headers without which a message loses its meaning.
_NOT_NOMINATED = frozenset({b"close", b"keep-alive", b"host", b"content-length"})
_UNSAFE_IN_TARGET = re.compile(rb"[\x00-\x20\x7f]")


class MalformedRequest(GatewayError):
    """The client's request cannot be passed on without changing what it means."""

    status = 400
    code = "malformed_request"


@dataclass(slots=True)
class UpstreamRequest:
    """A request as the upstream gets it: `head` is the request line and header block, ready to be written."""

    method: str
    head: bytes
    framing: Framing
    length: int
    expects_continue: bool

    @property
    def has_body(self) -> bool:
        return self.framing is Framing.CHUNKED or self.length > 0

    @property
    def is_repeatable(self) -> bool:
        """Whether sending it twice has the effect of sending it once (RFC 9110 section 9.2.2)."""
        return self.method in _IDEMPOTENT and not self.has_body


def upstream_request(scope: Scope, trusted: TrustedPeers, authority: bytes) -> UpstreamRequest:
    """The upstream's version of an ASGI http request. Raises MalformedRequest.

    `authority` becomes the Host of a request that has none (HTTP/1.0).
    """
    passing, special = _sorted(scope["headers"])
    try:
        framing, length = request_framing(special)
    except FramingError as error:
        raise MalformedRequest(f"the request has an ambiguous body: {error}") from error
    headers = _assembled(scope, trusted, authority, passing, special)
    expects_continue = False
    if framing is not Framing.NONE:
        headers.append(_FRAMED_CHUNKED if framing is Framing.CHUNKED else (b"content-length", b"%d" % length))
        expects_continue = (first(passing, b"expect") or b"").lower() == b"100-continue"
    method: str = scope["method"]
    head = serialize(method.encode("latin-1"), request_target(scope), headers)
    return UpstreamRequest(method, head, framing, length, expects_continue)


def request_headers(scope: Scope, trusted: TrustedPeers, authority: bytes) -> RawHeaders:
    """The end-to-end headers of a request and our X-Forwarded-*, without those that frame the body."""
    return _assembled(scope, trusted, authority, *_sorted(scope["headers"]))


def _sorted(headers: HeaderPairs) -> tuple[RawHeaders, RawHeaders]:
    """Lower-cased: the headers that pass unless Connection nominates them, and those that need a closer look."""
    passing: RawHeaders = []
    special: RawHeaders = []
    for name, value in headers:
        name = name.lower()
        if name in _SPECIAL or (name.startswith(_CLAIMS_BEGIN) and _CLAIMS_ABOUT_CLIENT.fullmatch(name)):
            special.append((name, value))
        else:
            passing.append((name, value))
    return passing, special


def _assembled(
    scope: Scope, trusted: TrustedPeers, authority: bytes, passing: RawHeaders, special: RawHeaders
) -> RawHeaders:
    hosts = [value for name, value in special if name == b"host"]
    if len(hosts) > 1:
        raise MalformedRequest("the request has more than one Host")
    host = hosts[0] if hosts else authority
    believed = [pair for pair in special if pair[0] not in _SPECIAL] if trusted.trusts(scope) else []
    return [(b"host", host), *_without_nominated(passing, special), *_forwarded(scope, host, believed)]


def response_headers(headers: RawHeaders, status: int) -> RawHeaders:
    """The headers of an upstream's response, in lower case already, as the client gets them.

    A 204 has no Content-Length, and that of a 304 describes another response: servers that check the length
    of what they send would wait for a body.
    """
    kept = _without_hop_by_hop(headers)
    if status in (204, 304):
        return [(name, value) for name, value in kept if name != b"content-length"]
    return kept


def end_to_end(headers: HeaderPairs) -> RawHeaders:
    """A lower-cased copy without hop-by-hop headers and those that Connection nominates."""
    return _without_hop_by_hop([(name.lower(), value) for name, value in headers])


def _without_hop_by_hop(headers: RawHeaders) -> RawHeaders:
    """Lower-case headers without those of this connection."""
    kept = [pair for pair in headers if pair[0] not in HOP_BY_HOP]
    return kept if len(kept) == len(headers) else _without_nominated(kept, headers)


def _without_nominated(headers: RawHeaders, around: RawHeaders) -> RawHeaders:
    """`headers` without those that the Connection lines among `around` nominate."""
    lines = [value for name, value in around if name == b"connection"]
    if all(line in _NOT_NOMINATED for line in lines):
        return headers
    nominated = frozenset(tokens([(b"connection", line) for line in lines], b"connection")) - _NOT_NOMINATED
    return [pair for pair in headers if pair[0] not in nominated]


def request_target(scope: Scope) -> bytes:
    """The request target below root_path, byte for byte. Raises MalformedRequest."""
    path: bytes = scope["raw_path"]
    root = scope.get("root_path", "").encode("latin-1", "replace")
    if root and path.startswith(root):
        path = path[len(root) :] or b"/"
    query: bytes = scope["query_string"]
    target = path + b"?" + query if query else path
    if _UNSAFE_IN_TARGET.search(target) or not (target.startswith(b"/") or target == b"*"):
        raise MalformedRequest("the request target is not a path")
    return target


def serialize(method: bytes, target: bytes, headers: RawHeaders) -> bytes:
    """A request line and header block. Raises MalformedRequest if any part could end its line early."""
    lines = b"\r\n".join(map(b": ".join, headers))
    head = b"".join((method, b" ", target, b" HTTP/1.1\r\n", lines, b"\r\n\r\n"))
    ends = len(headers) + 2
    names = b"".join([name for name, _ in headers])
    if (
        head.count(b"\r") != ends
        or head.count(b"\n") != ends
        or b"\0" in head
        or b"\n:" in head
        or (method + names).translate(None, _TOKEN_BYTES)
    ):
        raise MalformedRequest("the request has a header with bytes that no header may have")
    return head


def _forwarded(scope: Scope, host: bytes, believed: RawHeaders) -> RawHeaders:
    """X-Forwarded-For, -Proto and -Host, and what else a trusted peer (`believed`) says about the client."""
    client = scope.get("client")
    address = [client[0].partition("%")[0].encode("ascii", "replace")] if client is not None else []
    for_line = values(believed, b"x-forwarded-for") + address if believed else address
    ours: RawHeaders = [(b"x-forwarded-for", b", ".join(for_line))] if for_line else []
    ours.append((b"x-forwarded-proto", first(believed, b"x-forwarded-proto") or _scheme(scope)))
    ours.append((b"x-forwarded-host", first(believed, b"x-forwarded-host") or host))
    if believed:
        ours += [pair for pair in believed if pair[0] not in _OURS and b"_" not in pair[0]]
    return ours


def _scheme(scope: Scope) -> bytes:
    return b"https" if scope["scheme"] in ("https", "wss") else b"http"
