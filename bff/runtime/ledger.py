"""Releases in the store: what :class:`bff.runtime.releases.Releases` asks of a ledger, for any number of gateways."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bff.revisions.outcomes import NOTHING, Outcomes
from bff.revisions.outcomes import from_json as outcomes_from_json
from bff.revisions.plan import step_of
from bff.revisions.release import Release, State, from_json
from bff.revisions.store.records import Change, Counted, ReleaseState
from bff.runtime.function import Function
from bff.runtime.mover import Mover
from bff.runtime.publisher import GATEWAY
from bff.sdk.cohort import Cohort, Side

LEASE = "releases"


class StoreLedger:
    """Mutable state: ``_going_on``, the releases as last read; ``_totals``, what this gateway has counted in each
    step. Totals and not differences are told, so that an answer that got lost counts nothing twice.
    """

    def __init__(
        self, mover: Mover, *, gateway: str, functions: Callable[[], Mapping[str, Function]]
    ) -> None:
        self._mover = mover
        self._store = mover.store
        self._gateway = gateway
        self._functions = functions
        self._going_on: dict[str, ReleaseState] = {}
        self._totals: dict[tuple[str, str, Side], Outcomes] = {}

    async def lead(self, holder: str, seconds: float) -> bool:
        """Whether this holder judges for the next so many seconds. Nobody needs to while there is no release,
        and then nothing is written.
        """
        await self._look()
        return bool(self._going_on) and await self._store.lease(LEASE, holder, seconds)

    async def _look(self) -> None:
        self._going_on = {each.function: each for each in await self._store.releases()}
        steps = {(each.function, step_of(_release(each))) for each in self._going_on.values()}
        self._totals = {key: told for key, told in self._totals.items() if key[:2] in steps}

    async def releases(self) -> Sequence[Release]:
        """Those that have not ended."""
        return [_release(each) for each in self._going_on.values()]

    async def add(self, counted: Mapping[Cohort, Outcomes]) -> None:
        """Add this gateway's counts to everybody's; those of steps that are over are of no use."""
        await self._look()
        fresh = dict(self._totals)
        for cohort, outcomes in counted.items():
            release = self._going_on.get(cohort.function)
            if release is not None and _is_of(cohort, _release(release)):
                key = (cohort.function, step_of(_release(release)), cohort.side)
                fresh[key] = fresh.get(key, NOTHING) + outcomes
        told = [self._told(key, each) for key, each in fresh.items() if self._totals.get(key) is not each]
        if told:
            await self._store.count(told)
        self._totals = fresh

    def _told(self, key: tuple[str, str, Side], outcomes: Outcomes) -> Counted:
        function, step, side = key
        return Counted(
            function=function, step=step, side=side, gateway=self._gateway, counters=outcomes.as_json()
        )

    async def sums(self, release: Release) -> tuple[Outcomes, Outcomes]:
        """The canary's and the baseline's counts of all gateways, in the step it is in."""
        sums = {Side.CANARY: NOTHING, Side.BASELINE: NOTHING}
        for each in await self._store.counted(release.function, step_of(release)):
            sums[Side(each.side)] += outcomes_from_json(each.counters)
        return sums[Side.CANARY], sums[Side.BASELINE]

    async def turn(self, before: Release, after: Release, why: str, numbers: Mapping[str, Any]) -> bool:
        """Put a release into another state and its traffic into force, in the store and here; False if it is
        no more what it was before.
        """
        function = self._functions().get(before.function)
        if function is None:
            return False
        change = Change(
            function=before.function,
            what=f"release {after.state}",
            who=GATEWAY,
            why=why,
            numbers=numbers,
            goes_back=after.state is State.ROLLED_BACK,
        )
        return await self._mover.turn(function, change, before, after)


def _release(state: ReleaseState) -> Release:
    assert state.state is not None
    return from_json(state.state)


def _is_of(cohort: Cohort, release: Release) -> bool:
    return (cohort.canary, cohort.percent) == (release.canary, release.percent)
