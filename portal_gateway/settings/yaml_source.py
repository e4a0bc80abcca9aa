"""YAML with positions: the values of a document, and the line of every key in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import yaml
from yaml.composer import ComposerError
from yaml.constructor import ConstructorError

from portal_gateway.errors import Problem, SettingsError

Path = Sequence[str | int]

_TEXT = "tag:yaml.org,2002:str"
_NO_ALIASES = "aliases are not supported; write the value out, or put a text that begins with * in quotes"
_NO_TAGS = "tags are not supported; put a text that begins with ! in quotes"
_UNREADABLE = "this value cannot be read; put it in quotes if it is a text"


class YamlDocument:
    """A parsed YAML text. `values` is plain Python data; `line_of` finds where a path was written."""

    def __init__(self, text: str, source: str) -> None:
        """Raises SettingsError for what is not YAML, and for aliases and tags.

        `duplicates` lists the keys that are written twice, of which YAML silently keeps the last.
        """
        try:
            loader = _Loader(text)
            self._root = loader.get_single_node()
            self.duplicates = list(_duplicates(self._root, ()))
            self.values: Any = None if self._root is None else loader.construct_document(self._root)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = mark.line + 1 if mark else None
            problem = (error.problem or "").removeprefix("but ")
            raise SettingsError([Problem("", f"not valid YAML: {problem}", line)], source) from None
        except yaml.reader.ReaderError as error:
            line = text.count("\n", 0, error.position) + 1
            message = f"not valid YAML: the character U+{error.character:04X} is not allowed"
            raise SettingsError([Problem("", message, line)], source) from None
        except RecursionError:
            raise SettingsError([Problem("", "not valid YAML: nested too deeply")], source) from None

    def line_of(self, path: Path) -> int | None:
        """The line (from 1) of the deepest part of `path` that was written down."""
        node = self._root
        line = None
        for part in path:
            key, child = _child(node, part)
            if child is None:
                break
            line = (key or child).start_mark.line + 1
            node = child
        if line is None and self._root is not None:
            line = self._root.start_mark.line + 1
        return line


class _Loader(yaml.SafeLoader):
    """Plain data only. Aliases are refused because a few lines of them expand to gigabytes."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event: Any = self.get_event()  # type: ignore[no-untyped-call]
            raise ComposerError(None, None, _NO_ALIASES, event.start_mark)
        return super().compose_node(parent, index)

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        # A key is the name of something, also where YAML 1.1 takes `7`, `on` or `2024-01-01` for something else.
        # Nothing is merged: without aliases `<<` has no use.
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                key.tag = _TEXT

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep=deep)
        except ValueError:  # a date without such a day, a number with too many digits
            raise ConstructorError(None, None, _UNREADABLE, node.start_mark) from None

    def construct_undefined(self, node: yaml.Node) -> Any:
        # The tag is not shown: it may be a token that somebody wrote without quotes.
        raise ConstructorError(None, None, _NO_TAGS, node.start_mark)


_Loader.add_constructor(None, _Loader.construct_undefined)


def _child(node: yaml.Node | None, part: str | int) -> tuple[yaml.Node | None, yaml.Node | None]:
    if isinstance(node, yaml.MappingNode):
        # The last of several keys of that name is the one whose value counts.
        for key, value in reversed(node.value):
            if key.value == part:
                return key, value
    elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return None, node.value[part]
    return None, None


def _duplicates(node: yaml.Node | None, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], int]]:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            if name in seen:
                yield (*path, name), key.start_mark.line + 1
            seen.add(name)
            yield from _duplicates(value, (*path, name))
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _duplicates(item, (*path, index))
