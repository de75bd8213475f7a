"""How a rule of caching is written down as a case: what is asked, what the origin would answer, and who answers.

Nothing sleeps: an answer is made old by its ``Age`` or ``Date``, and ``{now-60}`` in a field is the date of a minute ago.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, Flag, auto


class Level(Enum):
    """RFC 2119's words, and what an optimal cache does although no word forces it."""

    MUST = "MUST"
    SHOULD = "SHOULD"
    MAY = "MAY"


class Way(Flag):
    """Where the one cache stands: below service calls, before functions, before services that pass through."""

    SERVICE = auto()
    COMPOSED = auto()
    PASSING = auto()


ALL = Way.SERVICE | Way.COMPOSED | Way.PASSING
ASKING = Way.SERVICE | Way.PASSING
"""Where what is stale can be asked about; a function is run again instead."""

DOOR = Way.COMPOSED | Way.PASSING
"""Where a request comes from outside, and is answered with all fields."""


class By(Enum):
    """Who answers."""

    ORIGIN = "the origin, asked without a condition of the cache's"
    KEPT = "the cache, and nobody is asked"
    VALIDATED = "the cache, once the origin has said 304"
    STAND_IN = "the cache, as the origin failed"
    NOBODY = "the cache, with a failure of its own, and nobody is asked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One request. ``gives`` is what the origin answers if it is asked: status and fields; None: it hangs up.

    ``has`` are fields of the answer, ``lacks`` those it may not have; ``told`` fields that the origin hears, None
    for those that it may not. ``body`` tells by its number which of the origin's answers it must be, if that is
    not the last one that the caller has seen. ``refreshes``: somebody asks the origin meanwhile. ``cut``: the origin breaks off; ``then``: what it answers if it
    is asked again.
    """

    by: By
    gives: tuple[str, ...] | None
    method: str = "GET"
    fields: tuple[str, ...] = ()
    query: str = ""
    status: int | None = None
    has: Mapping[str, str] = field(default_factory=dict)
    lacks: tuple[str, ...] = ()
    told: Mapping[str, str | None] = field(default_factory=dict)
    body: int | None = None
    refreshes: bool = False
    cut: bool = False
    then: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One rule: its section, how strong it is, what it says in our words."""

    section: str
    level: Level
    rule: str
    steps: tuple[Step, ...]
    ways: Way = ALL
    stated: bool = False

    def __str__(self) -> str:
        return f"{self.section} {self.rule}"


def asks(*fields: str, by: By, gives: str | None = "200", **more: object) -> Step:
    """A request with these fields; ``gives`` is the origin's answer as ``200 | name: value | name: value``, after an
    interim one where it is ``103+200``; chunked with a trailer where it says ``transfer-encoding: chunked``.
    """
    answer = None if gives is None else tuple(part.strip() for part in gives.split(" | "))
    return Step(by=by, gives=answer, fields=fields, **more)  # type: ignore[arg-type]


def first(gives: str, *fields: str, **more: object) -> Step:
    """The request that fills the cache, if it may be filled."""
    return asks(*fields, by=By.ORIGIN, gives=gives, **more)


def kept(*fields: str, **more: object) -> Step:
    """Nobody is asked."""
    return asks(*fields, by=By.KEPT, gives="200 | x-from: nobody should ask", **more)


def asked(*fields: str, gives: str = "200", **more: object) -> Step:
    """The origin answers."""
    return asks(*fields, by=By.ORIGIN, gives=gives, **more)


def validated(*fields: str, gives: str = "304", **more: object) -> Step:
    """The origin says that what is kept still holds."""
    return asks(*fields, by=By.VALIDATED, gives=gives, **more)


def must(section: str, rule: str, *steps: Step, ways: Way = ALL, stated: bool = False) -> Case:
    """What a shared cache must or must not do."""
    return Case(section=section, level=Level.MUST, rule=rule, steps=steps, ways=ways, stated=stated)


def should(section: str, rule: str, *steps: Step, ways: Way = ALL, stated: bool = False) -> Case:
    """What it should do, or should not."""
    return Case(section=section, level=Level.SHOULD, rule=rule, steps=steps, ways=ways, stated=stated)


def may(section: str, rule: str, *steps: Step, ways: Way = ALL, stated: bool = False) -> Case:
    """What it may do, and this one does: else it would be of little use."""
    return Case(section=section, level=Level.MAY, rule=rule, steps=steps, ways=ways, stated=stated)


def anew(section: str, rule: str, answer: str, *fields: str, ways: Way = ALL, stated: bool = False) -> Case:
    """An answer to a request with these fields that must not serve another request."""
    return must(section, rule, first(answer, *fields), asked(), ways=ways, stated=stated)


def reused(section: str, rule: str, answer: str, *fields: str, ways: Way = ALL, stated: bool = False) -> Case:
    """An answer to a request with these fields that serves the next one, too."""
    return may(section, rule, first(answer, *fields), kept(), ways=ways, stated=stated)
