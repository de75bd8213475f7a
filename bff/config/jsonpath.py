"""Where in the data of an event a value lies: the singular queries of JSONPath (RFC 9535 §2.3.5.1), which name
one place at most: ``$.order.items[0].kind``, ``$['first name']``. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

Step = str | int
ABSENT: Final[Any] = object()
"""What a path finds where nothing is: null is a value."""

# Letters, _ and whatever is not ASCII (RFC 9535 §2.5.1.1), said by what is left out: a set with a large range in it
# takes re 60 times as long to compile, and every start pays for it.
_NAME = r"[^\x00-@\[-^`{-\x7f][^\x00-/:-@\[-^`{-\x7f]*"
_STEP = re.compile(rf"\.({_NAME})|\[(-?(?:0|[1-9][0-9]{{0,9}}))\]|\['((?:[^'\\]|\\['\\])*)'\]")
MOST_STEPS = 20


def parsed(text: str) -> tuple[Step, ...]:
    """The steps of a path; raises ValueError with what to write."""
    if not text.startswith("$"):
        raise ValueError("begins with $, which is the event's data")
    at, steps = 1, list[Step]()
    while at < len(text):
        step = _STEP.match(text, at)
        if step is None or len(steps) == MOST_STEPS:
            raise ValueError(f"cannot be read at {text[at : at + 20]!r}; write $.a.b[0]['c d'], no wildcards")
        name, index, quoted = step.groups()
        steps.append(int(index) if index else name or re.sub(r"\\(.)", r"\1", quoted))
        at = step.end()
    return tuple(steps)


def found(data: Any, steps: Iterable[Step]) -> Any:
    """The value at a place, or ABSENT."""
    for step in steps:
        if isinstance(step, str):
            if not isinstance(data, dict) or step not in data:
                return ABSENT
        elif not isinstance(data, list) or not -len(data) <= step < len(data):
            return ABSENT
        data = data[step]
    return data
