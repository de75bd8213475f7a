"""Header rules of routes.yaml, made once and applied to calls, to what passes through, and to answers. Pure.

Names are in lower case. Istio's words and order-free meaning: ``set`` replaces, ``add`` stands beside, ``remove``
drops; our ``allow`` comes before all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import TYPE_CHECKING

from bff.frozen import frozen

if TYPE_CHECKING:
    from bff.config.headerrules import HeaderRulesConfig

Pairs = list[tuple[bytes, bytes]]

READABLE = frozenset(
    {
        b"content-type",
        b"content-encoding",
        b"content-length",
        b"content-range",
        b"date",
        b"sec-websocket-accept",
        b"sec-websocket-protocol",
        b"sec-websocket-extensions",
        b"sec-websocket-key",
        b"sec-websocket-version",
        b"expect",
    }
)
"""Passes whatever is allowed: without these nobody could read the message that follows."""


@frozen
class HeaderRules:
    """One set of rules; ``allow`` None allows all."""

    allow: frozenset[str] | None = None
    remove: frozenset[str] = frozenset()
    set: Mapping[str, str] = field(default_factory=dict)
    add: Mapping[str, str] = field(default_factory=dict)

    def allowed(self, fields: dict[str, str]) -> dict[str, str]:
        """What a caller's fields are allowed to be; its cookies are named one by one elsewhere."""
        allow = self.allow
        if allow is None:
            return fields
        return {name: value for name, value in fields.items() if name in allow or name == "cookie"}

    def changed(self, fields: dict[str, str]) -> dict[str, str]:
        """The fields after remove, set and add; several values of one are joined (RFC 9110 §5.3)."""
        kept = {name: value for name, value in fields.items() if name not in self.remove} | dict(self.set)
        for name, value in self.add.items():
            kept[name] = f"{kept[name]}, {value}" if name in kept else value
        return kept

    def passed(self, fields: Iterable[tuple[bytes, bytes]]) -> Pairs:
        """The fields of a message that passes through, after all of the rules."""
        kept = [(name, value) for name, value in fields if self._passes(name)]
        added = [*self.set.items(), *self.add.items()]
        return kept + [(name.encode(), value.encode()) for name, value in added]

    def _passes(self, name: bytes) -> bool:
        text = name.decode("latin-1")
        if text in self.remove or text in self.set:
            return False
        return self.allow is None or text in self.allow or name in READABLE


def rules_of(config: HeaderRulesConfig | None) -> HeaderRules | None:
    """A section as rules; None where there is none."""
    if config is None:
        return None
    return HeaderRules(
        allow=None if config.allow is None else frozenset(config.allow),
        remove=frozenset(config.remove),
        set={name: value.get_secret_value() for name, value in config.set.items()},
        add={name: value.get_secret_value() for name, value in config.add.items()},
    )
