"""What the YAML parser complains about, in words for people who do not know YAML's grammar."""

from __future__ import annotations

from typing import Any

# A part of the parser's own words -> ours. The first that fits is used; the words themselves hold no values.
_SENTENCES = (
    (
        "mapping values are not allowed",
        "a ': ' cannot stand here; put the value in quotes or check the indentation",
    ),
    ("found unexpected ':'", "a ':' cannot stand here; put the value in quotes"),
    ("found a tab character", "a tab cannot indent YAML; use spaces"),
    (
        "cannot start any token",
        "a value cannot begin with this character; put it in quotes (tabs: use spaces)",
    ),
    ("escape", "this escape is not known; write the backslash twice or use single quotes"),
    ("expected ',' or ']'", "this list is not closed; a ',' or ']' is missing"),
    ("expected ',' or '}'", "this mapping is not closed; a ',' or '}' is missing"),
    ("unexpected end of stream", "this quote is never closed"),
    ("expected ':'", "a ':' is missing after this key, or the line is not indented like the ones above"),
    ("expected <block end>", "this line is not indented like the ones above"),
    ("block sequence entries", "a list item '- ' cannot stand here; put it on a line of its own"),
    ("block collections", "this line is not indented like the ones above"),
    ("expected '-' indicator", "this line is not indented like the list above it"),
    ("expected key", "this line is not indented like the keys above it"),
    ("document start", "a new document cannot begin here; routes.yaml is one document"),
    ("incompatible YAML", "routes.yaml is YAML 1.2; remove the %YAML line"),
    ("undefined tag handle", "tags are not used here; remove it"),
    ("node content", "a value is missing here, or a '[' or '{' above is not closed"),
)
_OPENED = ("not closed", "never closed")  # these are best shown where the thing was opened


def explain(error: Any, text: str) -> tuple[str, int, int]:
    """A sentence, line and column for one of ruamel.yaml's marked errors."""
    problem = str(error.problem or error.context or "")
    sentence = next((ours for theirs, ours in _SENTENCES if theirs in problem), f"is not YAML: {problem}")
    mark = error.problem_mark or error.context_mark
    if error.context_mark is not None and any(word in sentence for word in _OPENED):
        mark = error.context_mark
    if mark is None:
        return sentence, 1, 1
    lines = text.splitlines()[mark.line : mark.line + 1]
    if lines and "${" in lines[0]:
        sentence += "; within {…} and […], a reference such as ${NAME} stands in quotes"
    return sentence, mark.line + 1, mark.column + 1
