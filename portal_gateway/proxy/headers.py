"""What a proxy changes in headers, as pure functions over raw lists (RFC 9110 section 7.6, RFC 9112).

The rules of this file: order, repetition and values of end-to-end headers survive; hop-by-hop headers never
pass; whatever tells the upstream who the client is comes from this connection or from a trusted peer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from portal_gateway.errors import GatewayError
from portal_gateway.proxy.framing import Framing, FramingError, request_framing
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
# Apps and CGI gateways read `_` as `-`, so both spellings claim the same.
_CLAIMS_ABOUT_CLIENT = re.compile(rb"(?:x[-_]forwarded[-_].*|forwarded|x[-_]real[-_]ip)", re.DOTALL)
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
    incoming: RawHeaders = scope["headers"]
    try:
        framing, length = request_framing(incoming)
    except FramingError as error:
        raise MalformedRequest(f"the request has an ambiguous body: {error}") from error
    headers = request_headers(scope, trusted, authority)
    if framing is Framing.CHUNKED:
        headers.append((b"transfer-encoding", b"chunked"))
    elif framing is Framing.LENGTH:
        headers.append((b"content-length", b"%d" % length))
    method: str = scope["method"]
    expects_continue = (first(incoming, b"expect") or b"").lower() == b"100-continue"
    head = serialize(method.encode("latin-1"), request_target(scope), headers)
    return UpstreamRequest(method, head, framing, length, expects_continue)


def request_headers(scope: Scope, trusted: TrustedPeers, authority: bytes) -> RawHeaders:
    """The end-to-end headers of a request and our X-Forwarded-*, without those that frame the body."""
    incoming: RawHeaders = scope["headers"]
    hosts: list[bytes] = []
    headers: RawHeaders = []
    for pair in end_to_end(incoming):
        name = pair[0]
        if name == b"host":
            hosts.append(pair[1])
        elif name != b"content-length" and not _claims_about_client(name):
            headers.append(pair)
    if len(hosts) > 1:
        raise MalformedRequest("the request has more than one Host")
    host = hosts[0] if hosts else authority
    believed = incoming if trusted.trusts(scope) else ()
    return [(b"host", host), *headers, *_forwarded(scope, host, believed)]


def response_headers(headers: HeaderPairs, status: int) -> RawHeaders:
    """The headers of an upstream's response as the client gets them.

    A 204 has no Content-Length, and that of a 304 describes another response: servers that check the length
    of what they send would wait for a body.
    """
    kept = end_to_end(headers)
    if status in (204, 304):
        return [(name, value) for name, value in kept if name != b"content-length"]
    return kept


def end_to_end(headers: HeaderPairs) -> RawHeaders:
    """A lower-cased copy without hop-by-hop headers and those that Connection nominates."""
    kept: RawHeaders = []
    connection: RawHeaders = []
    for name, value in headers:
        lowered = name.lower()
        if lowered not in HOP_BY_HOP:
            kept.append((lowered, value))
        elif lowered == b"connection":
            connection.append((lowered, value))
    nominated = frozenset(tokens(connection, b"connection")) - _NOT_NOMINATED
    return [pair for pair in kept if pair[0] not in nominated] if nominated else kept


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
    lines = b"\r\n".join([b"%b: %b" % pair for pair in headers])
    head = b"%b %b HTTP/1.1\r\n%b\r\n\r\n" % (method, target, lines)
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


def _forwarded(scope: Scope, host: bytes, believed: HeaderPairs) -> Iterable[tuple[bytes, bytes]]:
    """X-Forwarded-For, -Proto and -Host, and what else a trusted peer (`believed`) says about the client."""
    for_line = values(believed, b"x-forwarded-for")
    client = scope.get("client")
    if client is not None:
        for_line.append(client[0].partition("%")[0].encode("ascii", "replace"))
    if for_line:
        yield b"x-forwarded-for", b", ".join(for_line)
    yield b"x-forwarded-proto", first(believed, b"x-forwarded-proto") or _scheme(scope)
    yield b"x-forwarded-host", first(believed, b"x-forwarded-host") or host
    for name, value in believed:
        lowered = name.lower()
        if _claims_about_client(lowered) and b"_" not in lowered and lowered not in _OURS:
            yield lowered, value


def _claims_about_client(name: bytes) -> bool:
    return name.startswith((b"x", b"f")) and _CLAIMS_ABOUT_CLIENT.fullmatch(name) is not None


def _scheme(scope: Scope) -> bytes:
    return b"https" if scope["scheme"] in ("https", "wss") else b"http"
