"""One more route in the text of a routes.yaml, in that file's own style, with everything else left alone.

Pure, and careful rather than clever: where it is not sure it gives None, and whoever called prints the line.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence

from bff.config.document import parse
from bff.config.tree import Mapping
from bff.config.tree import Sequence as Items

_EMPTY = re.compile(r"^routes:[ \t]*(\[[ \t]*\])?[ \t]*(#.*)?[\r\n]*$")


def line_for(path: str, function: str) -> str:
    """A route as one line of YAML, without its indentation."""
    return f'- {{path: "{path}", function: {function}}}'


def with_route(text: str, path: str, function: str) -> str | None:
    """The text with a route for ``path`` added after the last one; None when that needs a person."""
    root, mistakes = parse(text.encode(), "routes.yaml")
    if mistakes or not isinstance(root, Mapping):
        return None
    end = "\r\n" if "\r\n" in text else "\n"
    lines = list(io.StringIO(text, newline=""))  # each with its own end, which stays as it is
    if lines and not lines[-1].endswith(("\n", "\r")):
        lines[-1] += end
    flow = f"  {line_for(path, function)}{end}"
    if "routes" not in root.entries:
        return "".join([*lines, end, f"routes:{end}", flow]) if _is_block(root, lines) else None
    entry = root.entries["routes"]
    if not isinstance(entry.node, Items) or not entry.node.items:
        return _filled(lines, entry.line - 1, flow, end)
    last = entry.node.items[-1]
    indent = _dash(lines[last.line - 1])
    if indent is None:
        return None
    at = _end_of(lines, last.line - 1, len(indent))
    added = [f"{indent}{line}{end}" for line in _styled(lines[last.line - 1], indent, path, function)]
    return "".join([*lines[:at], *added, *lines[at:]])


def _is_block(root: Mapping, lines: Sequence[str]) -> bool:
    """Whether more keys can be written below: the file is not one ``{…}``, and has no end mark."""
    is_flow = bool(root.entries) and lines[root.line - 1].lstrip("\ufeff ").startswith("{")
    return not is_flow and not any(line.startswith("...") for line in lines)


def _filled(lines: list[str], at: int, item: str, end: str) -> str | None:
    """``routes:`` and ``routes: []`` get their first item."""
    if not _EMPTY.match(lines[at]):
        return None
    key = re.sub(r"[ \t]*\[[ \t]*\]", "", lines[at].rstrip()) + end
    return "".join([*lines[:at], key, item, *lines[at + 1 :]])


def _dash(line: str) -> str | None:
    """The indentation of a line that begins a list item; None for any other line."""
    found = re.match(r"([ ]*)- ", line)
    return found[1] if found else None


def _end_of(lines: Sequence[str], start: int, indent: int) -> int:
    """The line after an item: what is blank, a comment or deeper than its dash belongs to it or to nobody."""
    end = start + 1
    for at in range(start + 1, len(lines)):
        bare = lines[at].strip()
        if not bare or bare.startswith("#"):
            continue
        if len(lines[at]) - len(lines[at].lstrip()) <= indent:
            break
        end = at + 1
    return end


def _styled(line: str, indent: str, path: str, function: str) -> list[str]:
    """As the last route is written: in one line, with or without spaces inside the braces, or key by key."""
    written = line[len(indent) + 2 :].lstrip()
    if written.startswith("{ "):
        return [f'- {{ path: "{path}", function: {function} }}']
    if written.startswith("{"):
        return [line_for(path, function)]
    return [f"- path: {path}", f"  function: {function}"]
