"""Content codings, incrementally (RFC 9110 section 8.4.1): identity, gzip, deflate, br, zstd, and stacks of them.

A decoder yields pieces of at most `MAX_PIECE` bytes, so that a body that unpacks to a thousand times its size
streams in bounded memory instead of being refused or filling it.

gzip and deflate need nothing but the standard library. br and zstd come with the extra `codings`, and without it are
codings that we do not know. Their libraries are imported when the first page needs them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache

from portal_gateway.html.codings_base import (
    MAX_PIECE,
    Coding,
    CodingError,
    Decoder,
    Encoder,
    StackedDecoder,
    StackedEncoder,
)
from portal_gateway.html.codings_zlib import DEFLATE, GZIP

__all__ = [
    "MAX_PIECE",
    "CodingError",
    "Decoder",
    "Encoder",
    "decoder",
    "encoder",
    "is_decodable",
    "preferred_coding",
]

# Nobody means more than two; curl stops at five, and each multiplies what one byte can unpack to.
_MAX_LAYERS = 3
# What we write of our own accord, best first: zstd makes pages a tenth smaller than gzip by isal for half again its
# time, br at the same size takes twice as long. The figures are at each.
_BY_COST = (b"zstd", b"gzip", b"br")


class Identity:
    """Both directions of "identity"."""

    def decode(self, data: bytes) -> Iterator[bytes]:
        if data:
            yield data

    def encode(self, data: bytes) -> bytes:
        return data

    def flush(self) -> bytes:
        return b""


class IdentityDecoder(Identity):
    def finish(self) -> Iterator[bytes]:
        return iter(())


class IdentityEncoder(Identity):
    def finish(self) -> bytes:
        return b""


def is_decodable(content_encoding: bytes) -> bool:
    """Whether we read and write everything that the value of Content-Encoding names, if it names anything."""
    return _layers(content_encoding) is not None


def decoder(content_encoding: bytes) -> Decoder:
    """Raises CodingError for a coding that is not `is_decodable`."""
    layers = [coding.decoder() for coding in reversed(_known_layers(content_encoding))]
    if not layers:
        return IdentityDecoder()
    return layers[0] if len(layers) == 1 else StackedDecoder(layers)


def encoder(content_encoding: bytes) -> Encoder:
    """Raises CodingError for a coding that is not `is_decodable`."""
    layers = [coding.encoder() for coding in _known_layers(content_encoding)]
    if not layers:
        return IdentityEncoder()
    return layers[0] if len(layers) == 1 else StackedEncoder(layers)


def preferred_coding(accepted: Iterable[bytes]) -> bytes:
    """The coding to write for the elements of an Accept-Encoding (RFC 9110 section 12.5.3), lower case; b"identity"
    if none other is wanted."""
    weights = dict(_weighted(element) for element in accepted)
    # Who says "*" has not said to know the newer ones.
    weights.setdefault(b"gzip", weights.get(b"*", 0.0))
    offers = [name for name in _BY_COST if _coding(name) is not None]
    best = max(offers, key=lambda name: weights.get(name, 0.0))
    weight = weights.get(best, 0.0)
    return best if weight > 0.0 and weight >= weights.get(b"identity", 0.0) else b"identity"


def _weighted(element: bytes) -> tuple[bytes, float]:
    name, _, parameters = element.partition(b";")
    for parameter in parameters.split(b";"):
        key, _, value = parameter.strip().partition(b"=")
        if key == b"q":
            return name.strip(), _weight(value)
    return name.strip(), 1.0


def _weight(value: bytes) -> float:
    try:
        weight = float(value)
    except ValueError:
        return 0.0
    return weight if 0.0 <= weight <= 1.0 else 0.0


def _known_layers(content_encoding: bytes) -> list[Coding]:
    layers = _layers(content_encoding)
    if layers is None:
        raise CodingError("the content coding is not one that we read")
    return layers


def _layers(content_encoding: bytes) -> list[Coding] | None:
    """The codings in the order in which they were applied, without "identity"; None if one is not known."""
    names = [name.strip() for name in content_encoding.lower().split(b",")]
    layers = []
    for name in names:
        if name in (b"", b"identity"):
            continue
        coding = _coding(name)
        if coding is None:
            return None
        layers.append(coding)
    return layers if len(layers) <= _MAX_LAYERS else None


def _coding(name: bytes) -> Coding | None:
    make = _CODINGS.get(name)
    return None if make is None else make()


@cache
def _brotli() -> Coding | None:
    try:
        from portal_gateway.html.codings_brotli import BROTLI
    except ImportError:
        return None
    return BROTLI


@cache
def _zstd() -> Coding | None:
    try:
        from portal_gateway.html.codings_zstd import ZSTD
    except ImportError:
        return None
    return ZSTD


_CODINGS: dict[bytes, Callable[[], Coding | None]] = {
    b"gzip": lambda: GZIP,
    b"x-gzip": lambda: GZIP,
    b"deflate": lambda: DEFLATE,
    b"br": _brotli,
    b"zstd": _zstd,
}
