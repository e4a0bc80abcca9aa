"""Which requests ask for a page, and how the host app gets such a request. Pure."""

from __future__ import annotations

from typing import Final

from portal_gateway.html.codings import is_decodable
from portal_gateway.injection.conditional import REQUEST_VALIDATORS, LoaderTags
from portal_gateway.wire import headers as h
from portal_gateway.wire.asgi import RawHeaders, Scope
from portal_gateway.wire.header_names import fields_named
from portal_gateway.wire.headers import HeaderPairs
from portal_gateway.wire.memo import Memo
from portal_gateway.wire.requests import PARTIAL_MARKS, PREFETCH_MARKS, is_partial, is_prefetch

PAGE_TYPES: Final = (b"text/html", b"application/xhtml+xml")
_PAGE_RANGES: Final = frozenset({*PAGE_TYPES, b"text/*", b"*/*"})
_DOCUMENT_DESTINATIONS: Final = (b"document", b"iframe", b"frame", b"embed", b"object")
# By which htmx and Turbo Drive mark a fetch that replaces the whole page; `is_partial` knows those for a part of it.
_PAGE_SWAPS: Final = (b"hx-boosted", b"hx-history-restore-request", b"x-turbo-request-id")
# All that a request is judged by, and all that is changed in one for a page. Names are lower case in a scope (ASGI).
_DECISIVE: Final = frozenset(
    {b"accept", b"sec-fetch-dest", b"range", b"if-range", *_PAGE_SWAPS, *PREFETCH_MARKS, *PARTIAL_MARKS}
)
_CHANGED: Final = frozenset({b"accept-encoding", b"range", *REQUEST_VALIDATORS})
#: What `refusal` and `page_request_headers` look at: little, and often nothing.
fields_of_note: Final = fields_named(_DECISIVE | _CHANGED)


def request_refusal(scope: Scope) -> str | None:
    """Why the response to this request is not a page to inject into, or None."""
    return refusal(scope["method"], fields_of_note(h.as_pairs(scope["headers"])))


def refusal(method: str, noted: RawHeaders | None) -> str | None:
    """`request_refusal` of a request with these fields of note."""
    if method != "GET" and method != "HEAD":
        return "method"
    return None if noted is None else _refusal_by(noted)


def _refusal_by(noted: RawHeaders) -> str | None:
    destination = None
    for name, value in noted:
        if name == b"sec-fetch-dest" and destination is None:
            destination = value
        elif name not in (b"accept", b"accept-encoding", b"if-none-match", b"if-modified-since"):
            break
    else:
        # Browsers say what for, and mostly nothing else that decides.
        if destination == b"document":
            return None
        if destination == b"empty":
            return "not_a_document"
    # What decides is much the same for all pages.
    return _REFUSALS[tuple([field for field in noted if field[0] in _DECISIVE])]


def _refusal(headers: tuple[tuple[bytes, bytes], ...]) -> str | None:
    if not _wants_document(headers):
        return "not_a_document"
    if is_prefetch(headers):
        return "prefetch"
    if is_partial(headers):
        return "partial"
    # A broken-off download goes on where it was, if it still is what it was: whole pages never carry our own tags
    # in a strong form, so this one is none of ours.
    if h.first(headers, b"range") is not None and h.first(headers, b"if-range") is not None:
        return "resumed"
    return None


_REFUSALS: Final = Memo(_refusal, max_entries=256, max_key=2048)


def page_request_headers(
    headers: RawHeaders, noted: RawHeaders | None, tags: LoaderTags, *, uncompressed: bool = False
) -> tuple[RawHeaders, bool]:
    """The request as the host app gets it when its page may be injected, and whether it carries a validator of ours.

    `noted` are the fields of note in `headers`. No ranges, since a part of a page has no use for us; no coding that we
    could not decode, or none at all.
    """
    concerned = [field for field in noted if field[0] in _CHANGED] if noted else []
    if not (concerned or uncompressed):
        return headers, False
    accepted = [value for name, value in concerned if name == b"accept-encoding"]
    revalidates = False
    if len(accepted) < len(concerned):
        headers, revalidates = tags.request_headers(headers)
        headers = h.without(headers, (b"range",))
    if uncompressed:
        return h.replaced(headers, b"accept-encoding", b"identity"), revalidates
    if accepted:
        readable = _READABLE[b", ".join(accepted)]
        if accepted != [readable]:
            headers = h.replaced(headers, b"accept-encoding", readable)
    return headers, revalidates


def _readable(accepted: bytes) -> bytes:
    """The codings of an Accept-Encoding that we could decode."""
    codings = h.elements(accepted)
    readable = [coding for coding in codings if is_decodable(coding.partition(b";")[0].strip())]
    return accepted if readable == codings else b", ".join(readable) or b"identity"


# Browsers have a handful of such values.
_READABLE: Final[Memo[bytes, bytes]] = Memo(_readable, max_entries=256, max_key=256)


def _wants_document(headers: HeaderPairs) -> bool:
    """Whether the answer becomes the document of a tab or frame, as far as the client says."""
    destination = h.first(headers, b"sec-fetch-dest")
    if destination is None:
        return _accepts_pages(headers)
    if destination.lower() == b"empty":
        return any(h.first(headers, name) is not None for name in _PAGE_SWAPS)
    return destination.lower() in _DOCUMENT_DESTINATIONS


def _accepts_pages(headers: HeaderPairs) -> bool:
    """Whether a client without fetch metadata takes a page. An API client does not: its requests stay as they are."""
    ranges = [token.partition(b";")[0].rstrip() for token in h.tokens(headers, b"accept")]
    return not ranges or any(media_range in _PAGE_RANGES for media_range in ranges)
