"""Obeys the release policy: counts how calls of both cohorts ended, has them judged, and moves traffic.

Several gateways may share one ledger: each adds its own counts every second, and whoever holds the lease judges.
What a release is and what a verdict means is :mod:`bff.revisions.release`'s; where it is kept, the ledger's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from bff.clock import Clock
from bff.config import ReleaseConfig
from bff.revisions.judgement import Verdict, judge
from bff.revisions.outcomes import NOTHING, Outcomes, outcome_of
from bff.revisions.release import Event, Release, decide, policy_of
from bff.revisions.store.failures import StoreUnavailable
from bff.sdk.cohort import Cohort, Side
from bff.sdk.invocation import Invocation
from bff.signals import ReleaseTurned, Signals, Unexpected

TICK = 1.0
"""Seconds between looks, and between deliveries of counts."""
LEASE = 5.0
"""Seconds after which another gateway judges, when the one that did so falls silent."""
MOST_COHORTS = 10_000
"""Cohorts counted at a time while the ledger does not take them; further ones are not counted."""


class Ledger(Protocol):
    """Where releases are kept. Every method may raise an OSError or a BffError: nothing moves then, counts wait."""

    async def lead(self, holder: str, seconds: float) -> bool:
        """Whether this holder judges for the next so many seconds; asked again, it goes on."""

    async def releases(self) -> Sequence[Release]:
        """Those that have not ended."""

    async def add(self, counted: Mapping[Cohort, Outcomes]) -> None:
        """Add a gateway's counts of the last second to everybody's."""

    async def sums(self, release: Release) -> tuple[Outcomes, Outcomes]:
        """The canary's and the baseline's counts of all gateways, in the step it is in."""

    async def turn(self, before: Release, after: Release, why: str, numbers: Mapping[str, Any]) -> bool:
        """Put a release into another state, its traffic into force and a line into the history, at once; False
        if it is no more what it was before. Counts of steps that are over may go.
        """


class Releases:
    """Mutable state: ``_counts`` (this gateway's, not yet delivered) and ``verdicts``, the last one of every
    release that goes on, by function.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        holder: str,
        config: Callable[[str], ReleaseConfig],
        clock: Clock,
        signals: Signals,
    ) -> None:
        """``holder`` names this gateway among those that share the ledger; ``config`` is a function's section."""
        self._ledger = ledger
        self._holder = holder
        self._config = config
        self._clock = clock
        self._signals = signals
        self._counts: dict[Cohort, Outcomes] = {}
        self.verdicts: Mapping[str, Verdict] = {}
        signals.listen(Invocation, self.count)

    def count(self, invocation: Invocation) -> None:
        """A call has ended. Those that no release compares cost one attribute."""
        cohort = invocation.cohort
        if cohort is None or (invocation.revision and invocation.revision != cohort.revision):
            return
        counted = self._counts.get(cohort, NOTHING)
        if counted is not NOTHING or len(self._counts) < MOST_COHORTS:
            self._counts[cohort] = counted + outcome_of(invocation)

    async def run(self) -> None:
        """Look every second, until cancelled. A ledger that fails is asked again a second later."""
        was_well = True
        while True:
            await self._clock.sleep(TICK)
            try:
                await self.look()
                was_well = True
            except StoreUnavailable:
                was_well = False  # the follower tells of it, and nothing unexpected has happened
            except Exception as error:
                if was_well:  # once, not every second
                    self._signals.emit(Unexpected(where="releases", error=error))
                was_well = False

    async def look(self) -> None:
        """Deliver what was counted; judge every release, if that is ours to do. One that cannot be turned (its
        baseline does not warm, say) is told of once the others were judged.
        """
        await self._deliver()
        if not await self._ledger.lead(self._holder, LEASE):
            self.verdicts = {}
            return
        verdicts = {}
        failure: Exception | None = None
        for release in await self._ledger.releases():
            try:
                verdict = await self._judge(release)
            except Exception as error:
                failure = failure or error
                continue
            if verdict is not None:
                verdicts[release.function] = verdict
        self.verdicts = verdicts
        if failure is not None:
            raise failure

    async def _deliver(self) -> None:
        counted, self._counts = self._counts, {}
        if not counted:
            return
        try:
            await self._ledger.add(counted)
        except BaseException:
            for cohort, outcomes in counted.items():  # they wait for the next time
                self._counts[cohort] = outcomes + self._counts.get(cohort, NOTHING)
            raise

    async def _judge(self, release: Release) -> Verdict | None:
        """The verdict on a release that goes on as it is; None when that turned it."""
        config = self._config(release.function)
        verdict = judge(*await self._ledger.sums(release), policy_of(config))
        event = decide(release, verdict, config.interval, self._clock.wall())
        if event is None:
            return verdict
        await self.turn(release, event, verdict.why, verdict.numbers())
        return None

    async def turn(self, release: Release, event: Event, why: str, numbers: Mapping[str, Any]) -> bool:
        """Have something happen to a release; False if somebody was faster.

        Raises:
            ReleaseNotSo: it cannot happen to it.

        """
        after = release.after(event, self._clock.wall())
        if not await self._ledger.turn(release, after, why, numbers):
            return False
        self._signals.emit(
            ReleaseTurned(
                function=release.function,
                canary=release.canary,
                baseline=release.baseline,
                event=str(event),
                state=str(after.state),
                percent=after.percent,
                why=why,
                numbers=numbers,
            )
        )
        return True


def cohorts_of(release: Release) -> tuple[Cohort, Cohort]:
    """The canary's and the baseline's, in the step a release is in: what :meth:`Ledger.sums` adds up."""
    shared = (release.function, release.canary, release.percent)
    return (
        Cohort(*shared, Side.CANARY, release.canary),
        Cohort(*shared, Side.BASELINE, release.baseline),
    )
