"""What is in force for one function: its traffic, and the revisions that it speaks of.

Pure. Who loads them is the runtime's; which one a call gets is told by :mod:`bff.revisions.choice`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from bff.revisions.revision import Revision
from bff.revisions.traffic import LATEST, Target, Traffic, TrafficInvalid

_NUMBER = re.compile(r"[0-9]+$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    """``revisions`` has every one that ``traffic`` names, whatever its share, and ``latest``, the newest ready
    one: it is what a target without a name means. ``canary`` is the revision that a release goes on of; empty where
    none does, and the newest with calls is it.

    Raises:
        TrafficInvalid: a revision is missing.

    """

    traffic: Traffic
    revisions: Mapping[str, Revision]
    latest: str
    canary: str = ""

    def __post_init__(self) -> None:
        for name in sorted(self.traffic.names() | {self.latest}):
            if name not in self.revisions:
                raise TrafficInvalid(
                    f"There is no revision {name}; `bff versions` lists those that are kept."
                )

    def name_of(self, target: Target) -> str:
        """The revision a target means now."""
        return self.latest if target.revision is None else target.revision

    def shares(self) -> dict[str, int]:
        """Percent by revision, those without any included: the canary before all others, which are newest first."""
        found = dict.fromkeys(sorted(self.reachable(), key=self._rank, reverse=True), 0)
        for target in self.traffic.targets:
            found[self.name_of(target)] += target.percent
        return found

    def tags(self) -> dict[str, str]:
        """Revision by tag."""
        return {target.tag: self.name_of(target) for target in self.traffic.targets if target.tag}

    def reachable(self) -> frozenset[str]:
        """Every revision that a call could get, be it by a tag or an override only."""
        return frozenset(map(self.name_of, self.traffic.targets))

    @property
    def main(self) -> str:
        """The revision with most of the calls; of equals the older one, and never the canary."""
        shares = self.shares()
        return max(reversed(shares), key=lambda name: shares[name])

    def _rank(self, name: str) -> tuple[bool, tuple[int, str]]:
        """What is released is what users move forward to, be it an older text that was deployed again."""
        return name == self.canary, age(name)

    def __repr__(self) -> str:
        return f"<Routing {self.traffic}; latest is {self.latest}>"


def everything_to(revision: Revision) -> Routing:
    """All calls to one revision, the newest."""
    return Routing(traffic=LATEST, revisions={revision.name: revision}, latest=revision.name)


def age(name: str) -> tuple[int, str]:
    """What sorts a function's revisions, oldest first: names carry a number that only grows."""
    number = _NUMBER.search(name)
    return (int(number[0]) if number else 0, name)
