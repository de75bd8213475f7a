"""Text that can neither end a line nor speak to a terminal, whoever wrote it.

What is escaped is what some reader takes for more than text: control characters (C0, DEL, C1: a terminal obeys U+009B
as it obeys ESC [), what Unicode calls a line or paragraph separator, and what turns the direction of reading or is not
seen at all (https://trojansource.codes). Log injection: CWE-117.
"""

from __future__ import annotations

import re

_UNSEEN = re.compile(
    "[\x7f-\x9f\u00ad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\ud800-\udfff\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e007f]"
)


def json_line(line: bytes) -> bytes:
    """A line of JSON with everything unseen written as an escape; readers of JSON get the same text."""
    # An integer: for bytes, `in` raises and drops a TypeError first, at several times the cost.
    if line.isascii() and 0x7F not in line:
        return line
    return json_text(line.decode("utf-8")).encode()


def json_text(text: str) -> str:
    """The same of a text; halves of surrogate pairs, which no stream takes, are escaped too."""
    return _UNSEEN.sub(_escaped, text)


def one_line(text: str) -> str:
    """The text as one line of a terminal: what cannot be printed stands there as Python writes it."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def some_lines(text: str) -> str:
    """The same, but that line breaks and tabs stay: for text whose lines are the gateway's own, or a whole file's."""
    return "\n".join("\t".join(map(one_line, line.split("\t"))) for line in text.split("\n"))


def _escaped(found: re.Match[str]) -> str:
    """As JSON spells it: two halves beyond the first plane (RFC 8259 §7)."""
    units = found[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
