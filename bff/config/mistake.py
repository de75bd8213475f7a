"""A mistake in routes.yaml, with its place, and the error that carries all of them.

A mistake's text never holds a value that came from the environment or a secret file: whoever words one must
not be handed such a value in the first place (see ``speech``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import ClassVar

from bff.errors import BffError

KeyPath = tuple[str | int, ...]

_BARE = re.compile(r"[\w$<-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """One thing to put right; prints as ``routes.yaml:7:5: functions.hello.timeout: …``.

    Lines and columns count from 1; both are 0 when the mistake is about a whole file.
    """

    file: str
    line: int = 0
    column: int = 0
    key: str = ""
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return ": ".join(part for part in (place, self.key, self.message) if part)

    def as_dict(self) -> dict[str, str | int]:
        """The mistake for ``--json``, with the members in reading order."""
        return asdict(self)


class ConfigInvalid(BffError):
    """The configuration cannot be used; ``mistakes`` holds every reason, in the order of the file.

    ``str(error)`` is one line per mistake: it is for operators and never reaches a caller.
    """

    code: ClassVar[str] = "config-invalid"
    title = "The configuration cannot be used"

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(map(str, self.mistakes)))


def dotted(path: KeyPath) -> str:
    """A key path as people write it: ``routes[2].timeout``; odd keys are quoted."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + (part if _BARE.fullmatch(part) else json.dumps(part[:80]))
    return text
