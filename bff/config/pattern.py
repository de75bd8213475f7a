"""The path of a route, parsed once: what the checks compare and what the router compiles.

It knows the grammar of a template. It does not match requests: that is the router's work.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from keyword import iskeyword

# A template is written decoded, as ASGI's scope["path"] is; the rest of RFC 3986's excluded characters too.
_NOT_IN_A_PATH = re.compile(
    r"[%?#\\<>\"^`|\s\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff]"
)
_WHY_NOT = {
    "%": "write the character itself instead of its percent-encoding",
    "?": "the query is not part of a route's path; the function declares its parameters",
    "#": "a fragment never reaches a server",
}


class Kind(StrEnum):
    """What a segment matches, in the order in which the router prefers them."""

    STATIC = "static"
    PARAMETER = "parameter"
    WILDCARD = "wildcard"


@dataclass(frozen=True, slots=True)
class Segment:
    """What stands between two slashes: ``text`` is the literal text, or the parameter's name.

    A static segment is empty only where a path ends in a slash.
    """

    kind: Kind
    text: str

    @property
    def shape(self) -> str:
        """The segment without its name: two segments of one shape match the same texts."""
        return _SHAPES.get(self.kind, self.text)


_SHAPES = {Kind.PARAMETER: "{}", Kind.WILDCARD: "{:path}"}


@dataclass(frozen=True, slots=True)
class Pattern:
    """A parsed template such as ``/api/home/{user_id}`` or ``/files/{rest:path}``.

    ``{name}`` matches one whole segment that is not empty. ``{name:path}`` stands last and matches what comes
    after its slash, further slashes included, and nothing too. ``/a`` and ``/a/`` are two paths; ``/`` is one empty static segment.
    """

    template: str
    segments: tuple[Segment, ...]
    parameters: tuple[str, ...]

    @classmethod
    def parse(cls, template: str) -> Pattern:
        """The pattern of a template; raises ValueError with one sentence that says what to write instead."""
        if not template.startswith("/"):
            raise ValueError("a path begins with /")
        if bad := _NOT_IN_A_PATH.search(template):
            raise ValueError(_refusal(bad[0]))
        texts = template[1:].split("/")
        segments = tuple(_segment(text, is_last=at == len(texts)) for at, text in enumerate(texts, start=1))
        names = tuple(s.text for s in segments if s.kind is not Kind.STATIC)
        for at, name in enumerate(names):
            if name in names[:at]:
                raise ValueError(f"the parameter {{{name}}} stands twice in the path; give each its own name")
        return cls(template, segments, names)

    @property
    def shape(self) -> str:
        """The template with its names erased: routes of one shape answer the same requests."""
        return "/" + "/".join(segment.shape for segment in self.segments)

    def __str__(self) -> str:
        return self.template


def _segment(text: str, *, is_last: bool) -> Segment:
    if "{" in text or "}" in text:
        return _parameter(text, is_last=is_last)
    if not text and not is_last:
        raise ValueError("two slashes in a row leave an empty segment; write one slash")
    if text in (".", ".."):
        raise ValueError(f"'{text}' is not a segment: clients resolve it before they send the request")
    if text == "*":
        raise ValueError("'*' is not a wildcard here; write {rest:path} as the last segment")
    if text.startswith(":"):
        raise ValueError("parameters stand in braces; write {name} instead of :name")
    return Segment(Kind.STATIC, text)


def _parameter(text: str, *, is_last: bool) -> Segment:
    inner = text[1:-1]
    if text.count("{") != text.count("}"):
        raise ValueError("a brace is not closed or not opened; write {name}")
    if text[0] != "{" or text[-1] != "}" or "{" in inner or "}" in inner:
        raise ValueError("a parameter takes a whole segment; write /{name}/, without other text beside it")
    name, colon, convertor = inner.partition(":")
    if colon and convertor != "path":
        raise ValueError(
            f"write {{{name}}}: a parameter's type comes from the function's signature, not the path"
        )
    if not name.isidentifier():
        raise ValueError("a parameter's name must be a Python identifier: letters, digits and _")
    if iskeyword(name):
        raise ValueError(f"{name!r} is a word of Python itself, so no function can have that parameter")
    if colon and not is_last:
        raise ValueError(f"the wildcard {{{name}:path}} must be the last segment")
    return Segment(Kind.WILDCARD if colon else Kind.PARAMETER, name)


def _refusal(character: str) -> str:
    shown = character if character.isprintable() and not character.isspace() else f"U+{ord(character):04X}"
    why = _WHY_NOT.get(character, "remove it")
    return f"a path cannot hold {shown}: {why}"
