from __future__ import annotations

import random

import pytest
from websockets.frames import Close, Frame, Opcode

from portal_gateway.http11.tunnel import FrameEdges, close_frame

SIZES = [0, 1, 125, 126, 127, 128, 65535, 65536, 70000]


def frames(masked: bool) -> list[bytes]:
    return [Frame(Opcode.BINARY, bytes(size)).serialize(mask=masked) for size in SIZES]


@pytest.mark.parametrize("masked", [True, False])
def test_a_frame_may_follow_a_whole_one_and_nothing_else(masked: bool) -> None:
    for frame in frames(masked):
        edges = FrameEdges()
        assert edges.at_edge
        for cut in {1, 2, 3, 4, 9, 10, 13, 14, len(frame) - 1} - {len(frame)}:
            if cut < len(frame):
                edges = FrameEdges()
                edges.feed(frame[:cut])
                assert not edges.at_edge, cut
                edges.feed(frame[cut:])
                assert edges.at_edge, cut


@pytest.mark.parametrize("seed", range(20))
def test_a_stream_may_be_cut_anywhere(seed: int) -> None:
    chance = random.Random(seed)
    sent = [chance.choice(frames(seed % 2 == 0)[:7]) for _ in range(50)]
    stream, edges, at, ends = b"".join(sent), FrameEdges(), 0, {0}
    for frame in sent:
        ends.add(max(ends) + len(frame))
    while at < len(stream):
        size = chance.choice([1, 2, 3, 10, 200, 70000])
        edges.feed(stream[at : at + size])
        at = min(at + size, len(stream))
        assert edges.at_edge is (at in ends)


@pytest.mark.parametrize("masked", [True, False])
def test_a_close_frame_is_one(masked: bool) -> None:
    data = close_frame(1012, masked=masked)
    edges = FrameEdges()
    edges.feed(data)
    assert edges.at_edge
    payload = data[-2:] if not masked else bytes(byte ^ data[2 + index] for index, byte in enumerate(data[-2:]))
    assert data[0] == 0x80 | Opcode.CLOSE
    assert bool(data[1] & 0x80) is masked
    assert Close.parse(payload).code == 1012
