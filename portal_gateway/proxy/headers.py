"""What a proxy changes in headers, as pure functions over raw lists (RFC 9110 section 7.6, RFC 9112).

The rules of this file: order, repetition and values of end-to-end headers survive; hop-by-hop headers never
pass; whatever tells the upstream who the client is comes from this connection or from a trusted peer.
"""

from __future__ import annotations

import re
from typing import Final

from portal_gateway.errors import MalformedRequest
from portal_gateway.http11.extensions import TARGET
from portal_gateway.http11.fields import TOKEN_BYTES, FieldError, head_bytes
from portal_gateway.http11.framing import FRAMING_FIELDS, Framing, FramingError, request_framing
from portal_gateway.wire.asgi import RawHeaders, Scope
from portal_gateway.wire.headers import HeaderPairs, as_pairs, elements, first, tokens, values
from portal_gateway.wire.memo import Memo
from portal_gateway.wire.trust import TrustedPeers

# RFC 9110 section 7.6.1 and what RFC 2616 section 13.5.1 listed. `Proxy` is no header at all, but CGI apps
# read it as the environment variable HTTP_PROXY (https://httpoxy.org).
HOP_BY_HOP: Final = frozenset(
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
_SPECIAL: Final = HOP_BY_HOP | {b"host", b"content-length"}
# Apps and CGI gateways read `_` as `-`, so both spellings claim the same.
_CLAIMS_ABOUT_CLIENT: Final = re.compile(rb"(?:x[-_]forwarded[-_].*|forwarded|x[-_]real[-_]ip)", re.DOTALL)
_FRAMED_CHUNKED: Final = (b"transfer-encoding", b"chunked")
_OURS: Final = frozenset({b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host"})
_IDEMPOTENT: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
NO_TRAILERS: Final[frozenset[bytes]] = frozenset()
# Where they stand, they come too late or would be taken for something else.
_NO_TRAILER_FIELDS: Final = {
    b"authorization",
    b"cache-control",
    b"content-encoding",
    b"content-range",
    b"content-type",
    b"cookie",
    b"expect",
    b"max-forwards",
    b"range",
    b"set-cookie",
}
# Options of the connection itself, and headers without which a message loses its meaning.
_NOT_NOMINATED: Final = frozenset({b"close", b"keep-alive", b"host", b"content-length"})


def _look_needed(name: bytes) -> bytes:
    name = name.lower()
    return name if name in _SPECIAL or _CLAIMS_ABOUT_CLIENT.fullmatch(name) else b""


# The name in lower case of a header that does not simply pass, nothing of others.
_NEEDS_A_LOOK: Final[Memo[bytes, bytes]] = Memo(_look_needed)
# What a Connection line takes along.
_NOMINATES: Final[Memo[bytes, frozenset[bytes]]] = Memo(lambda line: frozenset(elements(line)) - _NOT_NOMINATED)
_UNSAFE_IN_TARGET: Final = re.compile(rb"[\x00-\x20\x7f]")


def _line_start(method: str) -> bytes:
    start = method.encode("latin-1", "replace")
    if not start or start.translate(None, TOKEN_BYTES):
        raise MalformedRequest("the request's method has bytes that it may not have")
    return start + b" "


# By method, the beginning of a request line.
_METHODS: Final[Memo[str, bytes]] = Memo(_line_start)


class UpstreamRequest:
    """A request as the upstream gets it: `head` is the request line and header block, ready to be written."""

    def __init__(
        self,
        method: str,
        head: bytes,
        framing: Framing,
        length: int,
        has_body: bool,
        expects_continue: bool,
        trailers: frozenset[bytes],
    ) -> None:
        self.method = method
        self.head = head
        self.framing = framing
        self.length = length
        self.has_body = has_body
        self.expects_continue = expects_continue
        self.trailers = trailers

    @property
    def is_repeatable(self) -> bool:
        """Whether sending it twice has the effect of sending it once (RFC 9110 section 9.2.2)."""
        return self.method in _IDEMPOTENT and not self.has_body


def upstream_request(scope: Scope, trusted: TrustedPeers, authority: bytes) -> UpstreamRequest:
    """The upstream's version of an ASGI http request. Raises MalformedRequest.

    `authority` becomes the Host of a request that has none (HTTP/1.0).
    """
    passing, special = _sorted(as_pairs(scope["headers"]))
    framing, length = _framing(special)
    headers = _assembled(scope, trusted, authority, passing, special)
    expects_continue, trailers = False, NO_TRAILERS
    if framing is Framing.CHUNKED:
        headers.append(_FRAMED_CHUNKED)
        # Some servers take trailers for headers (uvicorn does), so only who is believed may send any.
        if trusted.trusts(scope) and (trailers := announced_trailers(special)):
            headers.append((b"trailer", b", ".join(sorted(trailers))))
    elif framing is Framing.LENGTH:
        headers.append((b"content-length", b"%d" % length))
    has_body = framing is Framing.CHUNKED or length > 0
    if has_body:
        expects_continue = (first(passing, b"expect") or b"").lower() == b"100-continue"
    method: str = scope["method"]
    head = serialize(method, request_target(scope), headers)
    return UpstreamRequest(method, head, framing, length, has_body, expects_continue, trailers)


def request_headers(scope: Scope, trusted: TrustedPeers, authority: bytes) -> RawHeaders:
    """The end-to-end headers of a request and our X-Forwarded-*, without those that frame the body."""
    return _assembled(scope, trusted, authority, *_sorted(as_pairs(scope["headers"])))


def _sorted(headers: RawHeaders) -> tuple[RawHeaders, RawHeaders]:
    """Lower-cased: the headers that pass unless Connection nominates them, and those that need a closer look."""
    passing: RawHeaders = []
    special: RawHeaders = []
    for field in headers:
        name = _NEEDS_A_LOOK[field[0]]
        if name:
            special.append((name, field[1]))
        else:
            passing.append(field if field[0].islower() else (field[0].lower(), field[1]))
    return passing, special


def _framing(special: RawHeaders) -> tuple[Framing, int]:
    for name, _ in special:
        if name in FRAMING_FIELDS:
            try:
                return request_framing(special)
            except FramingError as error:
                raise MalformedRequest(f"the request has an ambiguous body: {error}") from error
    return Framing.NONE, 0


def _assembled(
    scope: Scope, trusted: TrustedPeers, authority: bytes, passing: RawHeaders, special: RawHeaders
) -> RawHeaders:
    host: bytes | None = None
    claims: RawHeaders = []
    nominated: frozenset[bytes] = frozenset()
    for field in special:
        name, value = field
        if name == b"host":
            if host is not None:
                raise MalformedRequest("the request has more than one Host")
            host = value
        elif name == b"connection":
            nominated |= _NOMINATES[value]
        elif name not in _SPECIAL:
            claims.append(field)
    if host is None:
        host = authority
    if nominated:
        passing = [field for field in passing if field[0] not in nominated]
    believed = tuple(claims) if claims and trusted.trusts(scope) else ()
    client = scope.get("client")
    address = None if client is None else client[0]
    return [(b"host", host), *passing, *_FORWARDED[address, scope["scheme"], host, believed]]


def response_headers(headers: RawHeaders, status: int) -> RawHeaders:
    """The headers of an upstream's response, in lower case already, as the client gets them.

    A 204 has no Content-Length, and that of a 304 describes another response: servers that check the length
    of what they send would wait for a body.
    """
    kept = _without_hop_by_hop(headers)
    if status in (204, 304):
        return [(name, value) for name, value in kept if name != b"content-length"]
    return kept


def announced_trailers(headers: HeaderPairs) -> frozenset[bytes]:
    """The trailer fields that a message says it will have, as far as they may pass (RFC 9110 section 6.5.1)."""
    announced = frozenset(tokens(headers, b"trailer")) - _NO_TRAILER_FIELDS
    return frozenset(name for name in announced if not _NEEDS_A_LOOK[name])


def end_to_end(headers: HeaderPairs) -> RawHeaders:
    """A lower-cased copy without hop-by-hop headers and those that Connection nominates."""
    return _without_hop_by_hop([(name.lower(), value) for name, value in headers])


def _without_hop_by_hop(headers: RawHeaders) -> RawHeaders:
    """Lower-case headers without those of this connection."""
    kept: RawHeaders = []
    nominated: frozenset[bytes] = frozenset()
    for field in headers:
        if field[0] not in HOP_BY_HOP:
            kept.append(field)
        elif field[0] == b"connection":
            nominated |= _NOMINATES[field[1]]
    return [field for field in kept if field[0] not in nominated] if nominated else kept


def request_target(scope: Scope) -> bytes:
    """The request target below root_path, byte for byte. Raises MalformedRequest."""
    path: bytes = scope["raw_path"]
    root = scope.get("root_path", "").encode("latin-1", "replace")
    if root and path.startswith(root):
        path = path[len(root) :] or b"/"
    query: bytes = scope["query_string"]
    target = b"%b?%b" % (path, query) if query or (TARGET in scope and scope[TARGET] == path + b"?") else path
    if _UNSAFE_IN_TARGET.search(target) or not (target.startswith(b"/") or target == b"*"):
        raise MalformedRequest("the request target is not a path")
    return target


def serialize(method: str, target: bytes, headers: RawHeaders) -> bytes:
    """A request line and header block; `target` is what `request_target` gave.

    Raises MalformedRequest if the method or a header could end its line early.
    """
    try:
        return head_bytes(_METHODS[method] + target + b" HTTP/1.1", headers)
    except FieldError as error:
        raise MalformedRequest("the request has a header with bytes that no header may have") from error


def _forwarded(
    key: tuple[str | None, str, bytes, tuple[tuple[bytes, bytes], ...]],
) -> tuple[tuple[bytes, bytes], ...]:
    address, scheme, host, believed = key
    for_line = values(believed, b"x-forwarded-for")
    if address is not None:
        for_line.append(address.partition("%")[0].encode("ascii", "replace"))
    ours: RawHeaders = [(b"x-forwarded-for", b", ".join(for_line))] if for_line else []
    own_scheme = b"https" if scheme in ("https", "wss") else b"http"
    ours.append((b"x-forwarded-proto", first(believed, b"x-forwarded-proto") or own_scheme))
    ours.append((b"x-forwarded-host", first(believed, b"x-forwarded-host") or host))
    ours += [field for field in believed if field[0] not in _OURS and b"_" not in field[0]]
    return tuple(ours)


# X-Forwarded-For, -Proto and -Host, and what else a trusted peer (`believed`) says about the client.
_FORWARDED: Final = Memo(_forwarded, max_entries=256, max_key=512)
