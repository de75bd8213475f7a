"""What a passed-through request asks the service for: text, and what the route's parameters matched, raw."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

_PART = re.compile(r"\{([^{}]*)\}")
_BAD = re.compile(r"[?#\\\s\x00-\x1f\x7f{}]")


@dataclass(frozen=True, slots=True)
class Rewrite:
    """A parsed template such as ``/v2/items/{rest}``: literal bytes, and names of parameters.

    A parameter stands for the bytes the caller sent for it: nothing is decoded or encoded on the way.
    """

    template: str
    parts: tuple[bytes | str, ...]

    @classmethod
    def parse(cls, template: str) -> Rewrite:
        """The template's parts; raises ValueError with one sentence that says what to write instead."""
        if not template.startswith("/"):
            raise ValueError("a path begins with /")
        parts: list[bytes | str] = []
        for at, text in enumerate(_PART.split(template)):
            if at % 2:
                parts.append(_name(text))
            elif bad := _BAD.search(text):
                raise ValueError(
                    f"a rewritten path cannot hold {bad[0]!r}; the caller's query is kept as it is"
                )
            elif text:
                parts.append(_literal(text))
        return cls(template, tuple(parts))

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the route's parameters that it needs."""
        return tuple(part for part in self.parts if isinstance(part, str))

    def path(self, raw: Mapping[str, bytes]) -> bytes:
        """The path for these parameters."""
        return b"".join(raw[part] if isinstance(part, str) else part for part in self.parts)


def _name(text: str) -> str:
    name = text.removesuffix(":path")
    if not name.isidentifier():
        raise ValueError("braces hold the name of one of the path's parameters, such as {rest}")
    return name


def _literal(text: str) -> bytes:
    if any(segment in (".", "..") for segment in text.split("/")):
        raise ValueError("'.' and '..' are not segments: it stays below the service's URL")
    return quote(text, safe="/%!$&'()*+,;=:@~").encode()
