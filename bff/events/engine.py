"""The seam to whatever keeps deliveries, and the one that we use: tables in the state store.

In memory, in a file or on PostgreSQL it is the same code, by what ``state`` names; on a clock that a test moves, a
day of retries takes milliseconds. Another engine would have to keep these promises and no others: what
``enqueue`` returned from is on the disk, an event is kept once, ``take`` gives a delivery to one holder at a time,
and ``settle`` writes the end of an attempt together with what it published.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from bff.events import accepting, claiming, course, keeping, pipelines, running, standing, takeover, tending
from bff.events.claiming import Taken
from bff.events.claims import Claims
from bff.events.commits import Commits
from bff.events.course import Course
from bff.events.following import Seen
from bff.events.pipelines import Done
from bff.events.records import (
    Accepted,
    Attempt,
    Dead,
    Delivery,
    Enqueued,
    Incoming,
    Kept,
    Progress,
    Result,
    Run,
    Settled,
    Shown,
    Sought,
    Standing,
    State,
    Wanted,
)
from bff.events.running import Ended
from bff.revisions.store.bell import Bell
from bff.revisions.store.database import Session
from bff.revisions.store.store import Store
from bff.sdk.eventfailures import BacklogFull


class Engine(Protocol):
    """What the room needs of it. All raise StoreUnavailable when it cannot be reached."""

    async def enqueue(
        self, incoming: Sequence[Incoming], *, backlog: int, unless_open: str = ""
    ) -> list[Accepted]:
        """Store events with their deliveries, all or none; returns once that is durable. Without their deliveries
        where one of the trigger ``unless_open`` has not ended.

        Raises:
            BacklogFull: more than ``backlog`` deliveries would be open.

        """

    async def status(self, key: str) -> Shown | None:
        """An event with everything that became of it."""

    async def list(self, sought: Sought) -> Sequence[tuple[Kept, tuple[Delivery, ...]]]:
        """Events, the newest first."""

    async def cancel(self, event: str) -> int:
        """End what is open of an event; how many deliveries that were."""

    async def redrive(self, sought: Sought) -> int:
        """Begin anew what is dead or cancelled; how many deliveries that were."""

    async def take(self, wanted: Wanted, *, looks_first: bool) -> Taken:
        """Take what is due and has room, for the time of a lease."""

    async def renew(self, holder: str, keys: Collection[str], lease: float) -> frozenset[str]:
        """Keep these that were taken for so many seconds more; which of them are still the holder's."""

    async def take_over(self, own: str) -> bool:
        """What processes of this machine had that are no more may be taken at once; whether there was any."""

    async def set_back(self, lease: float) -> bool:
        """Whether something waited for a time that the clock had shown before it was set back; it does no longer."""

    async def settle(self, settled: Settled, done: Done | None = None) -> bool:
        """Write how an attempt ended, and what that means for the run that it was a part of; False when the lease
        was lost, and then nothing is written.
        """

    async def hand_back(self, holder: str) -> None:
        """Give back what was taken and not settled."""


class StoreEngine:
    """Everything that changes is in the store; ``claims``, where large answers are kept, is routes.yaml's to say."""

    def __init__(self, store: Store, bell: Bell | None = None) -> None:
        """``bell`` tells those who share the store that something can be taken."""
        self.store = store
        self.claims: Claims | None = None
        self._commits = Commits(store, bell)

    async def enqueue(
        self, incoming: Sequence[Incoming], *, backlog: int, unless_open: str = ""
    ) -> list[Accepted]:
        item = Enqueued(incoming=tuple(incoming), backlog=backlog, unless_open=unless_open)
        accepted = await self._commits.run_with(accepting.enqueue, item, rings=item.deliveries > 0)
        if accepted is None:
            raise BacklogFull(backlog)
        return accepted

    async def status(self, key: str) -> Shown | None:
        return await self.store.look(lambda session, _: tending.shown(session, key))

    async def list(self, sought: Sought) -> Sequence[tuple[Kept, tuple[Delivery, ...]]]:
        return await self.store.look(lambda session, _: tending.listed(session, sought))

    async def cancel(self, event: str) -> int:
        return await self._commits.run(lambda session, now: tending.cancel(session, event, now))

    async def redrive(self, sought: Sought) -> int:
        return await self._commits.run(lambda session, now: tending.redrive(session, sought, now), rings=True)

    async def take(self, wanted: Wanted, *, looks_first: bool) -> Taken:
        if looks_first:  # a write that changes nothing would still cost a round trip to the disk
            seen = await self.store.look(lambda session, now: claiming.peek(session, wanted, now))
            if seen.next_in != 0.0:
                return seen
        return await self._commits.run(lambda session, now: claiming.take(session, wanted, now))

    async def renew(self, holder: str, keys: Collection[str], lease: float) -> frozenset[str]:
        return await self._commits.run(
            lambda session, now: claiming.renew(session, holder, keys, now + lease)
        )

    async def settle(self, settled: Settled, done: Done | None = None) -> bool:
        ended = _ended(settled, done)
        rings = bool(settled.published) or ended is not None
        return await self._commits.run_with(self._settle, (settled, ended), rings=rings)

    def _settle(
        self, session: Session, items: Sequence[tuple[Settled, Ended | None]], now: float
    ) -> Sequence[bool]:
        ours = claiming.settle(session, [settled for settled, _ in items], now)
        ended = [each for (_, each), is_ours in zip(items, ours, strict=True) if is_ours and each is not None]
        running.follow(session, ended, now, self.claims)
        return ours

    async def hand_back(self, holder: str) -> None:
        await self._commits.run(lambda session, now: claiming.hand_back(session, holder, now), rings=True)

    async def take_over(self, own: str) -> bool:
        holders = await self.store.look(lambda session, _: claiming.holders(session))
        gone = {*takeover.gone(holders, own), *takeover.former(holders, own)}
        for holder in gone:
            await self._commits.run(partial(claiming.take_over, holder=holder))
        return bool(gone)

    async def set_back(self, lease: float) -> bool:
        return await self._commits.run(lambda session, now: claiming.set_back(session, lease, now))

    async def expire(self, before: float, most: int, *, calls: bool = False) -> int:
        """Forget events that ended long ago, or calls; how many."""
        return await self._commits.run(
            lambda session, _: accepting.expire(session, before, most, calls=calls)
        )

    async def kept_runs(self, keys: Collection[str]) -> Collection[str]:
        """Which of these runs are kept."""
        return await self.store.look(lambda session, _: running.kept(session, keys))

    async def runs(self, pipeline: str, limit: int) -> Sequence[Run]:
        """The newest runs of a pipeline."""
        return await self.store.look(lambda session, _: running.runs(session, pipeline, limit))

    async def run(self, key: str) -> Run | None:
        """How a run stands."""
        return await self.store.look(lambda session, _: running.run(session, key))

    async def parts(self, run: Run) -> Sequence[tuple[Delivery, tuple[Attempt, ...]]]:
        """The parts of a run in their order, each with its attempts."""
        source = pipelines.source_of(run.pipeline, run.key)
        return await self.store.look(lambda session, _: tending.parts(session, source))

    async def answer(self, key: str) -> Any:
        """What the last step of a run answered."""
        return await self.store.look(lambda session, _: running.answer(session, key))

    async def resume_run(self, run: Run) -> int:
        """Let what is dead or cancelled of a run begin anew; how many parts."""
        return await self._commits.run(lambda session, now: running.resume(session, run, now), rings=True)

    async def cancel_run(self, run: Run) -> Sequence[str]:
        """End what is open of a run; which deliveries."""
        return await self._commits.run(lambda session, now: running.cancel(session, run, now))

    async def newest(self, source: str) -> str | None:
        """The greatest id of a source that is kept."""
        return await self.store.look(lambda session, _: tending.newest(session, source))

    async def result(self, delivery: str) -> Result | None:
        """What was answered, if anything was."""
        return await self.store.look(lambda session, _: keeping.result(session, delivery))

    async def tell(self, told: Mapping[str, Progress]) -> None:
        """How far these deliveries are."""
        await self._commits.run(lambda session, _: keeping.tell(session, told))

    async def progress(self, delivery: str) -> Progress | None:
        """How far a delivery said that it is."""
        return await self.store.look(lambda session, _: keeping.progress(session, delivery))

    async def call(self, key: str) -> Standing | None:
        """How a call stands."""
        return await self.store.look(lambda session, _: standing.call(session, key))

    async def follow_call(self, key: str, heard: int) -> Seen | None:
        """How a call stands; without a word where that has the number that was heard."""
        return await self.store.look(lambda session, _: standing.call_followed(session, key, heard))

    async def follow_run(self, key: str, heard: int) -> Seen | None:
        """How a run stands, and the parts of it that run."""
        return await self.store.look(lambda session, _: standing.run_followed(session, key, heard))

    async def purge(self, sought: Sought) -> int:
        """Forget events by what became of them; how many."""
        return await self._commits.run(lambda session, _: tending.purge(session, sought))

    async def paused(self) -> dict[str, tuple[float, str]]:
        """The triggers that are paused: since when, and by whom."""
        return await self.store.look(lambda session, _: tending.paused(session))

    async def pause(self, trigger: str, who: str) -> None:
        """Deliver nothing for a trigger until it is resumed."""
        await self._commits.run(lambda session, now: tending.pause(session, trigger, who, now))

    async def resume(self, trigger: str) -> None:
        """Deliver again."""
        await self._commits.run(lambda session, _: tending.resume(session, trigger), rings=True)

    async def dead(self, trigger: str, limit: int) -> Sequence[Dead]:
        """What is dead, the newest first, of a trigger if one is named."""
        return await self.store.look(lambda session, _: tending.dead(session, trigger, limit))

    async def course(self, key: str) -> Course | None:
        """The course of a run."""
        return await self.store.look(lambda session, _: course.course(session, key))

    async def counts(self, states: Collection[str]) -> dict[tuple[str, str], int]:
        """How many deliveries each trigger has in each of these states."""
        return await self.store.look(lambda session, _: tending.counts(session, states))

    async def close(self) -> None:
        """Return when everything that was asked for is written."""
        await self._commits.close()


def _ended(settled: Settled, done: Done | None) -> Ended | None:
    """What the end of an attempt means for the run that it was a part of."""
    if done is None or settled.state not in (State.DELIVERED, State.DEAD):
        return None
    if settled.state is State.DEAD:
        return Ended(done=done, result=NOTHING, why=settled.outcome.detail or "it is dead")
    return None if settled.result is None else Ended(done=done, result=settled.result)


NOTHING = Result(status=0, headers=[], body=b"")
