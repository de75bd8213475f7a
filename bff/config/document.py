"""Bytes of a YAML file -> a tree with places, and every mistake of form found on the way.

Built from the parser's events, not from its own composer: that one recurses in C without a limit, so a file
of a million brackets would end the process. Aliases are counted before they are followed: a document of ten
lines can stand for billions of values. What the values mean is not known here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, NoReturn

from bff.config.mistake import Mistake, dotted
from bff.config.names import suggest
from bff.config.syntax import explain
from bff.config.tree import Entry, Mapping, Node, Scalar, Sequence

MOST_BYTES: Final = 32 * 2**20
MOST_VALUES: Final = 2_000_000  # 10,000 functions with 10,000 routes come to about 200,000
MOST_LEVELS: Final = 40

_TEXT_TAGS = frozenset({"!", "tag:yaml.org,2002:str"})
# YAML 1.2 §5.1. Three small sets are compiled in no time; one large one is not, and every start pays for it.
_NOT_YAML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]|[\ud800-\udfff]|[\ufffe\uffff]")


class _UnreadableError(Exception):
    """Nothing after this point can be understood; the mistake was already noted."""


def parse(data: bytes, file: str) -> tuple[Node, list[Mistake]]:
    """The tree of a file and its mistakes of form; an empty file is an empty mapping."""
    builder = _Builder(file)
    try:
        return builder.build(data), builder.mistakes
    except _UnreadableError:
        return Mapping({}, 1, 1, 1), builder.mistakes


class _Builder:
    """Reads events, one node at a time. Changes: mistakes, anchors, the path being read."""

    def __init__(self, file: str) -> None:
        self.mistakes: list[Mistake] = []
        self._file = file
        self._path: list[str | int] = []
        self._anchors: dict[str, Node | None] = {}  # None: the node has begun and not ended
        self._next: Callable[[], Any]

    def build(self, data: bytes) -> Node:
        import ruamel.yaml.error as errors
        import ruamel.yaml.events as events

        self._events = events
        text = self._decoded(data)
        try:
            self._next = _events_of(text)
            return self._document()
        except errors.MarkedYAMLError as error:
            self._path.clear()  # the parser reads ahead: the key it failed at may be a later one
            self._stop(*explain(error, text))
        except (errors.YAMLError, IndexError):  # the parser in Python trips over some %TAG lines
            self._stop("is not YAML", 1, 1)

    def _decoded(self, data: bytes) -> str:
        if len(data) > MOST_BYTES:
            self._stop(f"the file is larger than {MOST_BYTES >> 20} MiB", 1, 1)
        if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
            self._stop("the file is UTF-16; save it as UTF-8", 1, 1)
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            before = data[: error.start].decode("utf-8-sig", "replace")
            self._stop(
                f"byte 0x{data[error.start]:02x} is not UTF-8; save the file as UTF-8", *_end_of(before)
            )
        if bad := _NOT_YAML.search(text):
            self._stop(
                f"a YAML file cannot hold the character U+{ord(bad[0]):04X}", *_end_of(text[: bad.start()])
            )
        return text

    def _document(self) -> Node:
        self._next()  # the stream begins
        event = self._next()
        if isinstance(event, self._events.StreamEndEvent):
            return Mapping({}, 1, 1, 1)
        root = self._node(self._next())
        self._next()  # the document ends
        event = self._next()
        if not isinstance(event, self._events.StreamEndEvent):
            self._note("a second document begins here; routes.yaml is one document", event)
        return root

    def _node(self, event: Any) -> Node:
        if isinstance(event, self._events.AliasEvent):
            return self._alias(event)
        anchor = event.anchor
        if anchor is not None:
            self._anchors[anchor] = None
        node = self._fresh(event)
        if anchor is not None:
            self._anchors[anchor] = node
        return node

    def _fresh(self, event: Any) -> Node:
        if isinstance(event, self._events.ScalarEvent):
            return self._scalar(event)
        if len(self._path) > MOST_LEVELS:
            self._stop(f"is nested deeper than {MOST_LEVELS} levels", *_start(event))
        is_tagged = event.tag is not None
        if is_tagged:
            self._note("tags are not used here; remove it", event)
        if isinstance(event, self._events.SequenceStartEvent):
            return self._sequence(event)
        return self._mapping(event)

    def _scalar(self, event: Any) -> Scalar:
        mark = event.start_mark
        is_plain = not event.style and event.tag is None
        if event.tag is not None and event.tag not in _TEXT_TAGS:
            self._note("tags are not used here, except !!str; remove it", event)
            return Scalar(event.value, False, mark.line + 1, mark.column + 1, True)
        return Scalar(event.value, is_plain, mark.line + 1, mark.column + 1)

    def _alias(self, event: Any) -> Node:
        name = event.anchor
        node = self._anchors.get(name)
        if node is not None:
            return node
        known = [anchor for anchor, target in self._anchors.items() if target is not None]
        why = (
            f"*{name} stands inside of what it stands for"
            if name in self._anchors
            else f"nothing above is &{name}"
        )
        self._note(why + suggest(name, known), event)
        return Scalar("", False, *_start(event), True)

    def _sequence(self, event: Any) -> Sequence:
        items: list[Node] = []
        weight = 1
        while not isinstance(item := self._next(), self._events.SequenceEndEvent):
            self._path.append(len(items))
            node = self._node(item)
            weight = self._weighed(weight + node.weight, item)
            items.append(node)
            self._path.pop()
        return Sequence(items, *_start(event), weight)

    def _mapping(self, event: Any) -> Mapping:
        entries: dict[str, Entry] = {}
        merged: list[Mapping] = []
        weight = 1
        while not isinstance(key := self._next(), self._events.MappingEndEvent):
            name = self._key(key)
            self._path.append(name)
            node = self._node(self._next())
            weight = self._weighed(weight + node.weight, key)
            if name == "<<" and not key.style:
                merged += self._mergeable(node, key)
            else:
                self._enter(entries, name, Entry(*_start(key), node))
            self._path.pop()
        for (
            mapping
        ) in merged:  # a key of the mapping itself wins, then the first of the merged (YAML 1.1 merge)
            for name, entry in mapping.entries.items():
                entries.setdefault(name, entry)
        return Mapping(entries, *_start(event), weight)

    def _key(self, event: Any) -> str:
        if isinstance(event, self._events.ScalarEvent):
            return str(event.value)
        self._note("a key must be a word, not a list, a mapping or an alias", event)
        self._path.append("?")
        self._node(event)
        self._path.pop()
        return "?"

    def _enter(self, entries: dict[str, Entry], name: str, entry: Entry) -> None:
        first = entries.setdefault(name, entry)
        if first is not entry:
            message = f"stands twice; the first is on line {first.line}"
            self._note_at(message, entry.line, entry.column)

    def _mergeable(self, node: Node, key: Any) -> list[Mapping]:
        parts = node.items if isinstance(node, Sequence) else [node]
        mappings = [part for part in parts if isinstance(part, Mapping)]
        if len(mappings) < len(parts):
            self._note("<< merges mappings only, such as <<: *common", key)
        return mappings

    def _weighed(self, weight: int, event: Any) -> int:
        if weight > MOST_VALUES:
            self._stop(
                f"stands for more than {MOST_VALUES:,} values once its aliases are followed", *_start(event)
            )
        return weight

    def _note(self, message: str, event: Any) -> None:
        self._note_at(message, *_start(event))

    def _note_at(self, message: str, line: int, column: int) -> None:
        key = dotted(tuple(self._path))
        self.mistakes.append(Mistake(file=self._file, line=line, column=column, key=key, message=message))

    def _stop(self, message: str, line: int, column: int) -> NoReturn:
        self._note_at(message, line, column)
        raise _UnreadableError


def _events_of(text: str) -> Callable[[], Any]:
    """The parser's next-event function: libyaml's where it is built, else the slower one in Python."""
    from ruamel.yaml import YAML
    from ruamel.yaml.parser import Parser

    parser_class: Any = YAML(typ="safe").Parser
    if not issubclass(parser_class, Parser):
        return parser_class(text).get_event  # type: ignore[no-any-return]
    _, parser = YAML(typ="safe", pure=True).get_constructor_parser(text)
    return parser.get_event  # type: ignore[no-any-return]


def _start(event: Any) -> tuple[int, int]:
    mark = event.start_mark
    return mark.line + 1, mark.column + 1


def _end_of(text: str) -> tuple[int, int]:
    """Line and column just after a text."""
    return text.count("\n") + 1, len(text) - (text.rfind("\n") + 1) + 1
