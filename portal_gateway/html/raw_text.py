"""The text of elements in which markup is text, up to their end tag (HTML 13.2.5.2 to 13.2.5.31)."""

from __future__ import annotations

import re

_SCRIPT_TURN = re.compile(rb"(<!--)|(-->)|<(/?)script(?=[\t\n\f\r />])", re.IGNORECASE)
_END = {
    name: re.compile(rb"</" + name + rb"(?=[\t\n\f\r />])", re.IGNORECASE)
    for name in (b"title", b"textarea", b"style", b"xmp", b"iframe", b"noembed", b"noframes", b"noscript")
}


class RawText:
    """One element's text as it comes in."""

    __slots__ = ("_script_level", "name")

    def __init__(self, name: bytes) -> None:
        self.name = name
        self._script_level = 0

    def find_end(self, buffer: bytes, position: int) -> tuple[int, bool]:
        """The offset of the end tag and True, or that up to which there is certainly none and False."""
        if self.name == b"plaintext":
            return len(buffer), False
        if self.name == b"script":
            return self._find_script_end(buffer, position)
        match = _END[self.name].search(buffer, position)
        return (match.start(), True) if match else (max(position, len(buffer) - len(self.name) - 2), False)

    def _find_script_end(self, buffer: bytes, position: int) -> tuple[int, bool]:
        """Script data: level 1 is "escaped" (after <!--), level 2 "double escaped" (after <!-- <script)."""
        while match := _SCRIPT_TURN.search(buffer, position):
            position = match.end()
            if match[1]:
                self._script_level = max(self._script_level, 1)
                # The dashes of <!-- may be those of --> as well.
                position -= 2
            elif match[2]:
                self._script_level = 0
            elif match[3]:
                if self._script_level < 2:
                    return match.start(), True
                self._script_level = 1
            elif self._script_level == 1:
                self._script_level = 2
        return max(position, len(buffer) - 8), False
