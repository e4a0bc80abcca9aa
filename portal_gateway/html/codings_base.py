"""What a content coding is to its users: a decoder and an encoder that work piece by piece."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

# What one step of a decoder returns at most, in bytes.
MAX_PIECE = 64 * 1024


class CodingError(Exception):
    """The body is not in the coding that its header names, is cut off, or has something behind its end."""


class Decoder(Protocol):
    def decode(self, data: bytes) -> Iterator[bytes]:
        """What `data` adds, in bounded pieces. Raises CodingError. To be exhausted before the next call."""

    def finish(self) -> Iterator[bytes]:
        """What is left. Raises CodingError if the body is incomplete."""


class Encoder(Protocol):
    def encode(self, data: bytes) -> bytes: ...

    def flush(self) -> bytes:
        """Everything encoded so far, so that the receiver can show it."""

    def finish(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Coding:
    """How one content coding is read and written."""

    decoder: Callable[[], Decoder]
    encoder: Callable[[], Encoder]


class StackedDecoder:
    """A body that was encoded several times over."""

    def __init__(self, layers: Sequence[Decoder]) -> None:
        """`layers` in the order in which they are undone: the coding that was applied last comes first."""
        self._layers = layers

    def decode(self, data: bytes) -> Iterator[bytes]:
        # Pulled through all layers piece by piece: no layer's output exists as a whole.
        return self._through(iter((data,)), 0) if data else iter(())

    def finish(self) -> Iterator[bytes]:
        for depth, layer in enumerate(self._layers):
            yield from self._through(layer.finish(), depth + 1)

    def _through(self, pieces: Iterator[bytes], depth: int) -> Iterator[bytes]:
        for layer in self._layers[depth:]:
            pieces = _decoded(layer, pieces)
        return pieces


class StackedEncoder:
    """Encodes several times over."""

    def __init__(self, layers: Sequence[Encoder]) -> None:
        """`layers` in the order in which they are applied."""
        self._layers = layers

    def encode(self, data: bytes) -> bytes:
        for layer in self._layers:
            data = layer.encode(data)
        return data

    def flush(self) -> bytes:
        data = b""
        for layer in self._layers:
            data = layer.encode(data) + layer.flush()
        return data

    def finish(self) -> bytes:
        data = b""
        for layer in self._layers:
            data = layer.encode(data) + layer.finish()
        return data


def _decoded(layer: Decoder, pieces: Iterator[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        yield from layer.decode(piece)
