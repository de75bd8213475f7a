"""A ledger of releases in memory, as the store's: several gateways may share one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bff.clock import Clock
from bff.revisions.outcomes import NOTHING, Outcomes
from bff.revisions.release import Release
from bff.revisions.routing import Routing
from bff.runtime.function import Function
from bff.runtime.releases import cohorts_of
from bff.sdk.cohort import Cohort


class Memory:
    """Mutable state: all of it. ``fail`` makes every method raise."""

    def __init__(self, clock: Clock, functions: Callable[[], Sequence[Function]]) -> None:
        self.clock = clock
        self.functions = functions
        self.running: dict[str, Release] = {}
        self.counted: dict[Cohort, Outcomes] = {}
        self.history: list[tuple[str, str, str, Mapping[str, Any]]] = []
        self.holder, self.until = "", 0.0
        self.fail: Exception | None = None

    def _reached(self) -> None:
        if self.fail is not None:
            raise self.fail

    async def lead(self, holder: str, seconds: float) -> bool:
        self._reached()
        now = self.clock.now()
        if self.holder not in ("", holder) and now < self.until:
            return False
        self.holder, self.until = holder, now + seconds
        return True

    async def releases(self) -> Sequence[Release]:
        self._reached()
        return [release for release in self.running.values() if not release.has_ended]

    async def add(self, counted: Mapping[Cohort, Outcomes]) -> None:
        self._reached()
        for cohort, outcomes in counted.items():
            self.counted[cohort] = self.counted.get(cohort, NOTHING) + outcomes

    async def sums(self, release: Release) -> tuple[Outcomes, Outcomes]:
        self._reached()
        canary, baseline = cohorts_of(release)
        return self.counted.get(canary, NOTHING), self.counted.get(baseline, NOTHING)

    async def turn(self, before: Release, after: Release, why: str, numbers: Mapping[str, Any]) -> bool:
        self._reached()
        if self.running.get(before.function) != before:
            return False
        self.put(after)
        self.history.append((before.function, str(after.state), why, numbers))
        return True

    def put(self, release: Release) -> None:
        """A release, and its traffic in every gateway."""
        self.running[release.function] = release
        for function in self.functions():
            routing = function.routing
            assert routing is not None
            traffic = release.traffic(routing.traffic)
            function.route(Routing(traffic=traffic, revisions=routing.revisions, latest=routing.latest))
