"""Takes secrets out of log lines: by the name of a field, by the look of a text, and by heart.

By heart are the values that routes.yaml took from the environment or from secret files for fields that carry
credentials (:attr:`bff.config.Config.secrets`). The looks are those of RFC 6750 and RFC 7617 credentials, JSON Web
Tokens, URLs with a password, ``name=value`` pairs and PEM private keys. It is a net, no promise: who logs a secret
under another name, in pieces or encoded has logged it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from bff.config.names import is_secret_name
from bff.telemetry.redaction import REDACTED

SHORTEST = 6
"""Characters; a shorter value is in too many texts by chance."""
LONGEST = 16 * 1024
"""Characters of one text that a line keeps."""
SHORT, MOST_CLEAN = 200, 1000
"""Characters of a text that is remembered to be clean, and how many are."""
MOST = 200
"""Members of one list or mapping that a line keeps."""
DEEPEST = 8

# Each alternative begins where no other match of it can, so that hostile text takes no more than linear time.
_LOOKS = re.compile(
    r"(?P<scheme>\b(?i:bearer|basic|digest)\s+)(?P<credentials>[A-Za-z0-9._~+/=-]{8,})"
    r"|(?P<jwt>(?<![\w-])eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]*)"
    r"|(?P<start>://)(?P<userinfo>[^\s/@:\"']*:[^\s/@\"']+)(?=@)"
    r"|(?P<name>(?i:passw(?:or)?d|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credentials?)"
    r"[\"']?(?:=|:\s?)[\"']?)(?P<value>[^\s\"'&,;}\])]{3,})"
    r"|(?P<pem>-----BEGIN [A-Z ]*PRIVATE KEY-----(?:.|\n)*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z))"
)


class Discretion:
    """Mutable state: ``_by_heart``, the values of routes.yaml, of every one there was; ``_clean``, texts that were seen
    to hold no secret, for most are said again and again, and a look takes as long as a whole log line.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._known: frozenset[str] = frozenset()
        self._by_heart: re.Pattern[str] | None = None
        self._clean: set[str] = set()
        self.learn(secrets)

    def learn(self, secrets: Iterable[str]) -> None:
        """Take these out from now on, too; what was learnt before may still be about."""
        known = self._known | {each for each in secrets if len(each) >= SHORTEST}
        if known != self._known:
            self._clean.clear()
            self._known = known
            longest_first = sorted(known, key=lambda each: (-len(each), each))
            self._by_heart = re.compile("|".join(map(re.escape, longest_first)))

    def text(self, text: str) -> str:
        """The text without secrets, and not longer than a line can bear."""
        if text in self._clean:
            return text
        told = self._told(text)
        if told == text and len(text) <= SHORT:
            if len(self._clean) >= MOST_CLEAN:
                self._clean.clear()
            self._clean.add(text)
        return told

    def _told(self, text: str) -> str:
        if len(text) > LONGEST:
            text = f"{text[:LONGEST]}… ({len(text) - LONGEST} characters more)"
        if self._by_heart is not None:
            text = self._by_heart.sub(REDACTED, text)
        return _LOOKS.sub(_without, text)

    def fields(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """The fields of a line, all that is in them too."""
        return {name: self._value(name, value, 0) for name, value in fields.items()}

    def _value(self, name: Any, value: Any, depth: int) -> Any:
        if isinstance(name, str) and is_secret_name(name) and _can_be_secret(value):
            return REDACTED
        if isinstance(value, str):
            return self.text(value)
        if value is None or isinstance(value, bool | int | float):
            return value
        if depth >= DEEPEST:
            return self.text(repr(value))
        if isinstance(value, Mapping):
            pairs = list(value.items())[:MOST]
            return {self._key(key): self._value(key, each, depth + 1) for key, each in pairs}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._value("", each, depth + 1) for each in list(value)[:MOST]]
        return self._of_anything(value, depth)

    def _key(self, key: Any) -> str:
        return self.text(key if isinstance(key, str) else str(key))

    def _of_anything(self, value: Any, depth: int) -> Any:
        """A model, a date, whatever: as JSON has it, or as it calls itself."""
        from pydantic_core import to_jsonable_python

        try:
            plain = to_jsonable_python(value, fallback=repr, inf_nan_mode="null")
        except (ValueError, TypeError, RecursionError):
            plain = repr(value)
        return self.text(plain) if isinstance(plain, str) else self._value("", plain, depth + 1)

    def __repr__(self) -> str:
        return f"<Discretion: {len(self._known)} by heart>"


def _can_be_secret(value: Any) -> bool:
    """Numbers under such names are counts (``tokens: 812``), and nothing is nothing."""
    return not (value is None or value == "" or isinstance(value, bool | int | float))


def _without(found: re.Match[str]) -> str:
    """The match without what is secret in it."""
    before = found["scheme"] or found["start"] or found["name"] or ""
    return before + REDACTED
