"""A YAML document as a tree that remembers where everything stands.

The tree holds the text of each scalar as it was written; what the text means is decided in ``values``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from bff.config.mistake import KeyPath
from bff.config.scalars import typed


class Scalar(NamedTuple):
    """A single value. ``plain`` tells ``2`` from ``"2"``; ``broken`` says that its mistake is noted."""

    text: str
    plain: bool
    line: int
    column: int
    broken: bool = False

    @property
    def weight(self) -> int:
        """A scalar stands for itself."""
        return 1

    @property
    def is_shown(self) -> bool:
        """Whether messages may quote it: what holds a reference might hold a secret."""
        return "${" not in self.text


class Sequence(NamedTuple):
    """A list. ``weight`` counts the nodes it stands for, each alias as often as it is used."""

    items: list[Node]
    line: int
    column: int
    weight: int


class Entry(NamedTuple):
    """A key's place and its value."""

    line: int
    column: int
    node: Node


class Mapping(NamedTuple):
    """A mapping, merge keys already resolved; ``weight`` as in ``Sequence``."""

    entries: dict[str, Entry]
    line: int
    column: int
    weight: int


Node: TypeAlias = Scalar | Sequence | Mapping


@dataclass(frozen=True, slots=True)
class Place:
    """Where a key path leads: ``path`` is the part of it that exists in the file."""

    path: KeyPath
    node: Node
    key_line: int
    key_column: int

    @property
    def at_value(self) -> tuple[int, int]:
        """Where the value stands; an empty one stands at its key."""
        if isinstance(self.node, Scalar) and not self.node.text and self.node.plain:
            return self.at_key
        return self.node.line, self.node.column

    @property
    def at_key(self) -> tuple[int, int]:
        """Where the key stands; in a list, where the item stands."""
        return self.key_line, self.key_column

    @property
    def quoted(self) -> str | None:
        """The scalar as messages may repeat it, or None when they must not or it is too long to help."""
        node = self.node
        if not isinstance(node, Scalar) or not node.is_shown or len(node.text) > 80:
            return None
        return repr(node.text) if isinstance(typed(node.text), str) or not node.plain else node.text


def may_show(node: Node) -> bool:
    """Whether messages may quote anything of it: no scalar within holds a reference."""
    if isinstance(node, Scalar):
        return node.is_shown
    if isinstance(node, Sequence):
        return all(map(may_show, node.items))
    return all(may_show(entry.node) for entry in node.entries.values())


def find(root: Node, path: KeyPath) -> Place:
    """The place a key path leads to, or of the deepest part of it that is in the file."""
    node, line, column = root, root.line, root.column
    for depth, part in enumerate(path):
        if isinstance(node, Mapping) and isinstance(part, str) and part in node.entries:
            line, column, node = node.entries[part]
        elif isinstance(node, Sequence) and isinstance(part, int) and part < len(node.items):
            node = node.items[part]
            line, column = node.line, node.column
        else:
            return Place(path[:depth], node, line, column)
    return Place(path, node, line, column)
