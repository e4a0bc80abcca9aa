"""A page passes unread as long as it holds no candidate: nothing that any target could match.

Rules of this file:
1. What has left unread is remembered, up to a bound, and read when a candidate turns up: a place depends on all that
   stands before it.
2. A tag never leaves in part, so that the place before it is still at hand when the rest of it shows a candidate.
3. The reader is the careful scanner. Only when it reads differs, never what it finds.
"""

from __future__ import annotations

from portal_gateway.html.candidates import Candidates, Search
from portal_gateway.html.matching import CompiledTargets
from portal_gateway.html.output import Segment
from portal_gateway.html.tokenizer import PageScanner

# How much of what has left is remembered before it is read after all, in bytes.
MAX_DEFERRED = 256 * 1024
# What may be an unfinished tag is held back up to this length; then it is read to know.
_MAX_DOUBTFUL = 1024
# How much is read at once while the scanner waits for an end: it may come soon, then it may be far away.
_BLOCK = 16 * 1024
_MOST_BLOCKS = 16
# What is left of the data is read too if it is no more than this: cheaper than to cut it off.
_REST = 8 * 1024
# How far it reads on behind a candidate: what follows is often of interest too, and it has to be started for each.
_BEHIND_CANDIDATE = 4 * 1024
# Enough to tell a byte order mark.
_MARK_SIZE = 4


class CandidateFirst:
    """Like PageScanner, for targets of which each needs some byte string to match."""

    # What has come in; from `_position` on it has neither left nor been read.
    _data = b""
    _position = 0
    _search: Search
    # Up to here `_data` has been read, but not all of it could be used.
    _tried = 0
    # The size of what has left and not been read.
    _deferred_size = 0
    # How many of the next bytes that the scanner gives have left.
    _ahead = 0
    _begun = False
    _blocks = 1
    _closed = False

    def __init__(self, compiled: CompiledTargets, max_held: int) -> None:
        assert compiled.candidates is not None
        self._candidates: Candidates = compiled.candidates
        self._scanner = PageScanner(compiled, max_held)
        self._max_doubtful = min(max_held, _MAX_DOUBTFUL)
        # Before this offset of `_data` there is no candidate; None as long as nothing leads to any.
        self._lead: int | None = None if self._candidates.are_led else 0
        # What has left and not been read.
        self._deferred: list[bytes] = []

    @property
    def done(self) -> bool:
        return self._position == len(self._data) and self._scanner.done

    @property
    def bail_reason(self) -> str | None:
        return self._scanner.bail_reason

    @property
    def decided_by(self) -> int | None:
        return self._scanner.decided_by

    @property
    def matched(self) -> frozenset[int]:
        return self._scanner.matched

    def reason(self, target: int) -> str | None:
        if self._closed and target not in self.matched:
            return self._scanner.reason(target) or "no_match"
        return self._scanner.reason(target)

    def feed(self, data: bytes) -> list[Segment]:
        if self._scanner.done:
            return [data] if data else []
        if data and not self._begun:
            self._begun = True
            self._scanner.begin(data)
        self._data = self._data[self._position :] + data if self._position < len(self._data) else data
        self._position = self._tried = 0
        self._search = self._candidates.search(self._data)
        self._lead = self._find_lead()
        size = len(self._data)
        segments: list[Segment] = []
        while self._position < size and not self._scanner.done:
            if not self._scanner.started:
                segments += self._read(_MARK_SIZE, 0)
            elif not self._scanner.idle:
                segments += self._read(size if self._scanner.holding else self._position + self._blocks * _BLOCK, 0)
                self._blocks = min(2 * self._blocks, _MOST_BLOCKS)
            else:
                candidate = self._next_candidate()
                if candidate == size and (end := self._end_of_tags()) is not None:
                    return segments + self._defer(end)
                segments += self._read(self._end_of_candidate(candidate), candidate)
                if self._tried == size:
                    return segments
            size = len(self._data)
        if self._position < size:
            segments.append(self._data[self._position :])
            self._position = size
        return segments

    def close(self) -> list[Segment]:
        self._closed = True
        if self._scanner.done:
            return self._scanner.close()
        held = self._data[self._position :]
        if self._deferred:
            return [held] if held else []
        segments = self._scanner.feed(held, len(held)) if held else []
        return self._without_what_left(segments + self._scanner.close())

    def _read(self, end: int, candidate: int) -> list[Segment]:
        """Let the scanner read up to `end`. Nothing before `candidate` can match."""
        deferred, self._deferred, self._deferred_size = self._deferred, [], 0
        segments: list[Segment] = []
        for piece in deferred:
            segments += self._without_what_left(self._scanner.feed(piece, len(piece)))
        if len(self._data) - end <= _REST:
            end = len(self._data)
        piece = self._data[self._position : end]
        segments += self._without_what_left(self._scanner.feed(piece, max(0, candidate - self._position)))
        self._tried = self._position = self._position + len(piece)
        if not self._scanner.done and self._scanner.idle:
            self._take_back()
        return segments

    def _take_back(self) -> None:
        unread = self._scanner.take_back()
        if self._ahead:
            self._deferred = [unread[: self._ahead]]
            self._deferred_size = len(self._deferred[0])
            unread = unread[self._ahead :]
        self._position -= len(unread)
        if self._position < 0:
            # Some of it came in with earlier data.
            self._data = unread + self._data[self._tried :]
            self._search = self._candidates.search(self._data)
            self._lead = None if self._lead is None else 0
            self._tried = len(unread)
            self._position = 0

    def _defer(self, end: int) -> list[Segment]:
        leaving = self._data[self._position : end]
        self._position = end
        self._ahead += len(leaving)
        self._deferred.append(leaving)
        self._deferred_size += len(leaving)
        return [leaving] if leaving else []

    def _without_what_left(self, segments: list[Segment]) -> list[Segment]:
        if not self._ahead:
            return segments
        for index, segment in enumerate(segments):
            if not self._ahead:
                return segments[index:]
            assert isinstance(segment, bytes)
            if len(segment) > self._ahead:
                rest, self._ahead = segment[self._ahead :], 0
                return [rest, *segments[index + 1 :]]
            self._ahead -= len(segment)
        return []

    def _end_of_candidate(self, candidate: int) -> int:
        """Some way behind the tag that a candidate stands in, if it has no ">" in a value; else further."""
        if self._tried > candidate:
            return self._tried + _BLOCK
        end = self._data.find(b">", candidate) + 1 or len(self._data)
        return max(end, candidate + _BEHIND_CANDIDATE)

    def _find_lead(self) -> int | None:
        if self._lead is not None or not self._scanner.idle:
            # What the scanner keeps may hold a part of it.
            return 0
        lead = self._candidates.find_lead(self._data)
        return lead if lead < len(self._data) else None

    def _next_candidate(self) -> int:
        """The size of the data if there is none. What is found in text is none."""
        data, size, outside = self._data, len(self._data), self._position
        if self._lead is None:
            return size
        candidate = self._search.find(max(outside, self._lead))
        while candidate < size and _begin_of_tag(data, outside, candidate + 1) < 0:
            outside = candidate
            candidate = self._search.find(candidate + 1)
        return candidate

    def _end_of_tags(self) -> int | None:
        """Up to where the data may leave; None if only reading it can tell."""
        size = len(self._data)
        if self._deferred and self._deferred_size + size - self._position > MAX_DEFERRED:
            return None
        begin = _begin_of_tag(self._data, self._position, size)
        if begin < 0:
            return size
        return begin if size - begin <= self._max_doubtful else None


def _begin_of_tag(data: bytes, start: int, offset: int) -> int:
    """Where the tag that holds `offset` begins at the earliest; -1 if there is certainly no tag. At `start` is none."""
    closed = data.rfind(b">", start, offset) + 1 or start
    # In a value the sign closes no tag. The last quote before it is the one that opens that value then.
    for quote in (b'"', b"'"):
        opening = data.rfind(quote, start, closed)
        if opening >= 0 and _may_open_value(data, start, opening):
            return start
    return data.find(b"<", closed, offset)


def _may_open_value(data: bytes, start: int, quote: int) -> bool:
    before = data[max(start, quote - 16) : quote].rstrip(b"\t\n\f\r ")
    return not before or before.endswith(b"=")
