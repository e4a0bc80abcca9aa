"""Compression toward the client, for the sidecar: the app was asked for bytes as they are, so that a page is encoded
once, and cheaply, instead of decoded and encoded again.

It takes every compressible response to a page request, injected or not: no page gets bigger on its way because we
were there. A response that the app has encoded all the same passes.
"""

from __future__ import annotations

import re

from portal_gateway.html.codings import Encoder, encoder, preferred_coding
from portal_gateway.injection.plan import BODY_FACTS
from portal_gateway.wire import headers as h
from portal_gateway.wire.asgi import Message, RawHeaders, Send
from portal_gateway.wire.memo import Memo

# Smaller bodies fit into one packet either way.
_MIN_BYTES = 1024
_COMPRESSIBLE = re.compile(
    rb"text/(?!event-stream)[a-z0-9.+-]+|application/(?:[a-z0-9.-]+\+)?(?:json|xml)|application/javascript|image/svg\+xml"
)

# By what clients and apps say, which is the same again and again.
_PREFERRED: Memo[bytes, bytes] = Memo(lambda accepted: preferred_coding(h.elements(accepted)), max_key=128)
IS_COMPRESSIBLE_TYPE: Memo[bytes, bool] = Memo(
    lambda content_type: _COMPRESSIBLE.fullmatch(content_type.partition(b";")[0].strip().lower()) is not None
)


class CompressedSend:
    """Wraps `send` for one request. The head goes out with the first bytes of the body."""

    def __init__(self, send: Send, method: str, request_headers: RawHeaders) -> None:
        """`request_headers` are the client's own."""
        self._send = send
        self._method = method
        self._coding = coding_for(request_headers)
        self._start: Message | None = None
        self._encoder: Encoder | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            await self._on_start(message)
        elif message["type"] == "http.response.body" and (self._start is not None or self._encoder is not None):
            await self._on_body(message)
        else:
            if self._start is not None:
                await self._send(self._take_start())
            await self._send(message)

    async def _on_start(self, start: Message) -> None:
        headers: RawHeaders = list(start.get("headers", ()))
        if start["status"] == 304:
            # Sent for a page that varies, and caches take over what it says.
            await self._send({**start, "headers": h.with_vary(headers, b"Accept-Encoding")})
        elif not _is_compressible(start["status"], headers):
            await self._send(start)
        else:
            self._start = {**start, "headers": headers}
            if self._method == "HEAD":
                await self._send(self._begun(self._take_start(), _length(headers)))
                self._encoder = None

    async def _on_body(self, message: Message) -> None:
        body, more = bytes(message.get("body", b"")), message.get("more_body", False)
        if self._start is not None:
            start = self._take_start()
            if not more:
                headers, body = compressed_whole(self._coding, start["headers"], body)
                await self._send({**start, "headers": headers})
                await self._send({**message, "body": body})
                return
            await self._send(self._begun(start, _length(start["headers"])))
        if self._encoder is not None:
            body = self._encoded(self._encoder, body, more)
        if not more:
            self._encoder = None
        await self._send({**message, "body": body})

    def _take_start(self) -> Message:
        start, self._start = self._start, None
        assert start is not None
        return start

    def _begun(self, start: Message, length: int | None) -> Message:
        """The head for a body of `length` bytes (None: not known), and from now on the encoder if it gets one."""
        if length is not None and length < _MIN_BYTES:
            return start  # the same for everyone
        headers = h.with_vary(start["headers"], b"Accept-Encoding")
        if self._coding != b"identity":
            self._encoder = encoder(self._coding)
            headers = _encoded_head(headers, self._coding)
        return {**start, "headers": headers}

    def _encoded(self, stream: Encoder, body: bytes, more: bool) -> bytes:
        # What the app sends now is meant to be seen now; an empty piece shows nothing.
        data = stream.encode(body) if body else b""
        if not more:
            return data + stream.finish()
        return data + stream.flush() if body else data


def coding_for(request_headers: RawHeaders) -> bytes:
    """The coding that a client gets who has sent these headers."""
    return _PREFERRED[b",".join(h.values(request_headers, b"accept-encoding"))]


def compressed_whole(coding: bytes, headers: RawHeaders, body: bytes) -> tuple[RawHeaders, bytes]:
    """The head and body of a compressible response that is all there, as the client gets them."""
    if len(body) < _MIN_BYTES:
        return headers, body  # the same for everyone
    headers = h.with_vary(headers, b"Accept-Encoding")
    if coding == b"identity":
        return headers, body
    stream = encoder(coding)
    body = stream.encode(body) + stream.finish()
    return [*_encoded_head(headers, coding), (b"content-length", b"%d" % len(body))], body


def _encoded_head(headers: RawHeaders, coding: bytes) -> RawHeaders:
    """The head of the encoded body: other bytes, so only weakly the same (RFC 9110 section 8.8.1)."""
    etag = h.first(headers, b"etag")
    headers = h.without(headers, {*BODY_FACTS, b"content-encoding"})
    if etag is not None and not etag.startswith(b"W/"):
        headers = h.replaced(headers, b"etag", b"W/" + etag)
    return [*headers, (b"content-encoding", coding)]


def _is_compressible(status: int, headers: RawHeaders) -> bool:
    if status < 200 or status in (204, 206):
        return False
    media_type = None
    for key, value in headers:
        name = key.lower()
        if name == b"content-type":
            media_type = media_type or value
        elif (
            name == b"content-range"
            or (name == b"content-encoding" and any(token != b"identity" for token in h.elements(value)))
            or (name == b"cache-control" and b"no-transform" in h.elements(value))
        ):
            return False
    return media_type is not None and IS_COMPRESSIBLE_TYPE[media_type]


def _length(headers: RawHeaders) -> int | None:
    value = h.first(headers, b"content-length")
    return int(value) if value is not None and value.isdigit() else None
