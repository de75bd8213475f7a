"""Which revision a call gets: override, tag, lane, rules, a sticky hash, chance; the first that says something.

Pure but for the draw of a random number. Everything that can be worked out for a routing is: a call costs one
look over its header fields and, where traffic is split, one hash.
"""

from __future__ import annotations

import random
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from bff.errors import BffError, Fault
from bff.frozen import frozen
from bff.revisions.routing import Routing
from bff.sdk.asked import Condition, Facts, Key, fields_of, meeting
from bff.sdk.cohort import Cohort, Side
from bff.sdk.invocation import Invocation
from bff.sdk.spread import PERCENT, Spread
from bff.sdk.trust import TOKEN, Trust

_NUMBER = re.compile(r"(dev-)?[0-9]{1,9}", re.ASCII)
OVERRIDE, TAG = b"bff-override", b"bff-tag"


class OverrideUnknown(BffError):
    """A caller who may choose the revision named one that is not kept, or no longer."""

    code, title = "override-unknown", "The override names no revision that is kept"
    status, fault = 400, Fault.CALLER

    def __init__(self, function: str, known: tuple[str, ...]) -> None:
        super().__init__(
            f"Bff-Override names no revision of {function} that is kept; traffic has {', '.join(known)},"
            f" and `bff versions {function}` lists all."
        )


@frozen
class Chosen:
    """A revision, and the reason. ``cohort`` is the one the call counts for, if chance or the sticky hash chose;
    ``lane`` the label its service calls carry.
    """

    revision: str
    why: str
    cohort: Cohort | None = None
    lane: str = ""


@frozen
class Rule:
    """Calls that meet every condition go to a tag's revision or to a revision by name."""

    conditions: tuple[Condition, ...]
    tag: str = ""
    revision: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Choosing:
    """What routes.yaml says about the choice for one function; ``lane`` is the label of a canary's calls.

    Two are equal when they were made of equal configuration, which ``source`` is.
    """

    function: str
    override: Trust | None = None
    tag: Trust | None = None
    rules: tuple[Rule, ...] = ()
    sticky: Key | None = None
    lane: str = ""
    source: object = None
    draw: Callable[[], int] = lambda: random.getrandbits(32)

    def compiled(self, routing: Routing) -> Chooser | None:
        """What chooses; None when every call gets the same whatever it says."""
        tags = routing.tags() if self.tag is not None else {}
        if len(routing.reachable()) == 1 and not tags and self.override is None:
            return None
        return Chooser(self, routing)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Choosing) and (self.function, self.source) == (other.function, other.source)

    __hash__ = None  # type: ignore[assignment]


class Chooser:
    """Compiled for one routing; call it with an invocation. Never changes.

    ``bands`` cut the numbers below 2^32, newest revision first: as its share grows, what belongs to it only
    becomes more, so a user with a steady key only ever moves forward.
    """

    __slots__ = (
        "_bounds",
        "_by_tag",
        "_draw",
        "_function",
        "_may_ask",
        "_override",
        "_reachable",
        "_rules",
        "_shares",
        "_spread",
        "_sticky",
        "_tag",
        "_wanted",
    )

    def __init__(self, choosing: Choosing, routing: Routing) -> None:
        self._function = choosing.function
        self._override, self._tag = choosing.override, choosing.tag
        self._may_ask = self._override is not None or self._tag is not None
        tags = routing.tags()
        self._by_tag = {
            tag.encode(): Chosen(revision=revision, why="tag", lane=tag) for tag, revision in tags.items()
        }
        self._reachable = {
            name: Chosen(revision=name, why="override", lane=_tag_of(name, tags))
            for name in routing.reachable()
        }
        rules = [(rule, chosen) for rule in choosing.rules if (chosen := self._ruled(rule)) is not None]
        self._rules = [(meeting(rule.conditions), chosen) for rule, chosen in rules]
        self._bounds, self._shares = bands(routing, choosing)
        self._sticky = choosing.sticky if len(self._shares) > 1 else None
        self._spread = Spread(choosing.function)
        self._draw = choosing.draw
        self._wanted = self._fields([rule for rule, _ in rules])

    def _ruled(self, rule: Rule) -> Chosen | None:
        """Where a rule leads; None while its tag or its revision has no traffic block's target."""
        if rule.tag:
            tagged = self._by_tag.get(rule.tag.encode())
            return None if tagged is None else replace(tagged, why="rule")
        return Chosen(revision=rule.revision, why="rule") if rule.revision in self._reachable else None

    def _fields(self, rules: Iterable[Rule]) -> frozenset[bytes]:
        """The header fields that something here may ask for."""
        wanted = set(fields_of(condition for rule in rules for condition in rule.conditions))
        if self._override is not None:
            wanted |= {OVERRIDE, TOKEN}
        if self._tag is not None:
            wanted |= {TAG, TOKEN, b"host"}
        if self._sticky is not None:
            wanted.add(self._sticky.field)
        return frozenset(wanted - {b""})

    def __call__(self, invocation: Invocation) -> Chosen:
        """The revision for a call.

        Raises:
            OverrideUnknown: a caller who may choose asks for what is not there.

        """
        facts = Facts(invocation, self._wanted)
        chosen = self._asked_for(facts) if self._may_ask else None
        if chosen is None and invocation.lane:
            chosen = self._by_tag.get(invocation.lane.encode())
        if chosen is not None:
            return chosen
        for is_met, ruled in self._rules:
            if is_met(facts):
                return ruled
        return self._by_share(facts)

    def _asked_for(self, facts: Facts) -> Chosen | None:
        """What an override or a tag says, from callers who may."""
        fields = facts.fields
        name = self._named(fields[OVERRIDE]) if OVERRIDE in fields else ""
        if name and self._allows(self._override, facts):
            return self._overridden(name)
        if self._tag is None or not self._by_tag:
            return None
        tagged = self._by_tag.get(fields.get(TAG, b"").strip())
        if tagged is None:
            tagged = self._by_tag.get(fields.get(b"host", b"").partition(b".")[0].lower())
        return tagged if tagged is not None and self._allows(self._tag, facts) else None

    def _overridden(self, name: str) -> Chosen:
        """Whichever is kept, with traffic or without: whoever is asked for it finds out."""
        chosen = self._reachable.get(name)
        if chosen is None and not self._is_name(name):
            raise OverrideUnknown(self._function, tuple(sorted(self._reachable)))
        return chosen or Chosen(revision=name, why="override")

    def _is_name(self, name: str) -> bool:
        prefix = f"{self._function}-"
        return name.startswith(prefix) and _NUMBER.fullmatch(name, len(prefix)) is not None

    @staticmethod
    def _allows(trust: Trust | None, facts: Facts) -> bool:
        invocation = facts.invocation
        return trust is not None and trust.allows(
            invocation.client, facts.fields.get(TOKEN), invocation.caller
        )

    def _named(self, field: bytes) -> str:
        """The function's revision in ``home=home-00002, product=product-00007``."""
        for pair in field.decode("latin-1").split(","):
            function, _, name = pair.partition("=")
            if function.strip() == self._function:
                return name.strip()
        return ""

    def _by_share(self, facts: Facts) -> Chosen:
        if len(self._shares) == 1:
            return self._shares[0]
        key = self._sticky.read(facts) if self._sticky is not None else None
        if not key:
            return self._shares[bisect_right(self._bounds, self._draw())]
        return self._shares[bisect_right(self._bounds, self._spread(key))]

    def __repr__(self) -> str:
        return f"<Chooser for {self._function}: {len(self._rules)} rules, {len(self._shares)} bands>"


def bands(routing: Routing, choosing: Choosing) -> tuple[list[float], list[Chosen]]:
    """Upper bounds below 2^32, all but the last one's, and what each band gives, newest revision first.

    While a newer revision takes some of the calls it is the canary, and as many calls of the older one with
    the largest share are its baseline.
    """
    shares = {name: percent for name, percent in routing.shares().items() if percent}
    why = "sticky" if choosing.sticky is not None else "weight"
    canary, baseline = cohorts(shares)

    def cohort(side: Side) -> Cohort:
        revision = canary if side is Side.CANARY else baseline
        return Cohort(choosing.function, canary, shares[canary], side, revision)

    cuts: list[tuple[int, Chosen]] = []
    for name, percent in shares.items():
        plain = Chosen(revision=name, why=why)
        if name == canary and baseline:
            cuts.append((percent, replace(plain, cohort=cohort(Side.CANARY), lane=choosing.lane)))
        elif name == baseline:
            counted = min(percent, shares[canary])
            cuts.append((counted, replace(plain, cohort=cohort(Side.BASELINE))))
            cuts.append((percent - counted, plain))
        else:
            cuts.append((percent, plain))
    cuts = [cut for cut in cuts if cut[0]]
    reached, bounds = 0, []
    for percent, _ in cuts[:-1]:
        reached += percent
        bounds.append(reached * PERCENT)
    return bounds, [chosen for _, chosen in cuts]


def cohorts(shares: Mapping[str, int]) -> tuple[str, str]:
    """Canary and baseline of shares that are newest first; no baseline where only one revision has calls."""
    names = list(shares)
    if len(names) < 2:
        return (names[0] if names else ""), ""
    return names[0], max(names[1:], key=lambda name: shares[name])


def _tag_of(revision: str, tags: Mapping[str, str]) -> str:
    return next((tag for tag, name in tags.items() if name == revision), "")
