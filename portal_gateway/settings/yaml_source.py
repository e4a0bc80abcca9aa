"""YAML with positions: the values of a document, and the line of every key in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import yaml

from portal_gateway.errors import Problem, SettingsError

Path = Sequence[str | int]


class YamlDocument:
    """A parsed YAML text. `values` is plain Python data; `line_of` finds where a path was written."""

    def __init__(self, text: str, source: str) -> None:
        """Raises SettingsError for broken YAML, duplicate keys (YAML keeps the last one silently) and aliases."""
        try:
            # Composing before constructing: an alias bomb is found in the small tree, not in the large value.
            self._root = yaml.compose(text, Loader=yaml.SafeLoader)
            duplicates = list(_duplicates(self._root, ()))
            self.values: Any = yaml.safe_load(text) if self._root is not None else None
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = mark.line + 1 if mark else None
            raise SettingsError([Problem("", f"not valid YAML: {error.problem}", line)], source) from None
        except (yaml.YAMLError, ValueError) as error:
            raise SettingsError([Problem("", f"not valid YAML: {error}")], source) from None
        except RecursionError:
            raise SettingsError([Problem("", "not valid YAML: nested too deeply")], source) from None
        self.duplicates = duplicates

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


def _child(node: yaml.Node | None, part: str | int) -> tuple[yaml.Node | None, yaml.Node | None]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(part):
                return key, value
    elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return None, node.value[part]
    return None, None


def _duplicates(
    node: yaml.Node | None, path: tuple[str | int, ...]
) -> Iterator[tuple[tuple[str | int, ...], int]]:
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
