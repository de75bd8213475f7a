"""What happened to the gateway itself: reloads and what went wrong with them, live; and what is broken at this moment."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator
from itertools import islice

from pydantic_core import to_json

from bff.admin import telling
from bff.admin.desk import Functions
from bff.admin.journalshapes import BrokenShape, HappeningShape, NewsShape
from bff.admin.operation import EVENTS, Asked, Operation, Query, Reply, shown
from bff.admin.refusals import Busy
from bff.admin.watching import BEAT, Watchers, event
from bff.clock import Clock
from bff.telemetry.journal import Happening, Journal

LOOKS_EVERY = 0.1
"""Seconds between two looks: who has just saved a file is waiting for it."""
MOST_WATCHERS = 32


class JournalPages:
    """The pages about it. Mutable state: who watches."""

    def __init__(
        self, journal: Journal, functions: Functions, *, clock: Clock, is_ready: Callable[[], bool]
    ) -> None:
        self._journal = journal
        self._functions = functions
        self._clock = clock
        self._watchers = Watchers(MOST_WATCHERS, "the journal", clock=clock, is_ready=is_ready)

    def operations(self) -> list[Operation]:
        """All of them."""
        return [
            Operation(
                name="listJournal",
                method="GET",
                path="/v1/journal",
                says=(
                    "What happened to the gateway itself, newest first: code that was saved, routes.yaml, instances,"
                    " releases, endpoints. With Accept: text/event-stream the answer goes on: an event `news`"
                    " (NewsShape) at once, and one whenever something happens or is mended."
                ),
                run=self._list,
                query=(
                    Query(name="limit", says="How many at most; 50 if absent.", kind=int, bounds=(1, 500)),
                    Query(name="after", says="Only what came after the one with this seq.", kind=int),
                ),
                answer=list[HappeningShape],
                event=NewsShape,
                refusals=(Busy,),
            ),
            Operation(
                name="listBroken",
                method="GET",
                path="/v1/broken",
                says="What on disk does not serve as it is: functions that cannot be loaded, a routes.yaml with mistakes.",
                run=self._broken,
                answer=list[BrokenShape],
            ),
        ]

    async def _list(self, asked: Asked) -> Reply:
        after = asked.query.get("after")
        if EVENTS in asked.accept:
            self._watchers.admit()
            return Reply(kind=EVENTS, body=self._watched(asked, after))
        newest = islice(self._journal.newest(after or 0), asked.query.get("limit", 50))
        return shown([*map(self.told, newest)])

    async def _broken(self, _asked: Asked) -> Reply:
        return shown(self.broken())

    def broken(self) -> list[BrokenShape]:
        """All that does not serve as it is on disk."""
        return [*self._rejected(), *self._not_loaded()]

    def _rejected(self) -> Iterator[BrokenShape]:
        rejected = self._journal.rejected
        if rejected is not None:
            yield BrokenShape(subject="", report=rejected.report, serving=None)

    def _not_loaded(self) -> Iterator[BrokenShape]:
        """Those of whom a failure was told and whose failure stands: what is saved as it was is mended in silence."""
        functions = self._functions()
        for name in self._journal.suspects:
            standing = functions[name].status() if name in functions else {}
            if standing.get("failure"):
                serving = standing.get("revision")
                yield BrokenShape(
                    subject=name, report=str(standing["failure"]), serving=str(serving) if serving else None
                )

    def told(self, each: Happening) -> HappeningShape:
        """See HappeningShape."""
        teller = telling.Teller(self._clock.wall() - self._clock.now())
        return HappeningShape(
            seq=each.number,
            at=teller.moment(each.at),
            what=str(each.what),
            bad=each.is_bad,
            subject=each.subject,
            revision=each.revision,
            said=each.said,
            report=each.report,
        )

    async def _watched(self, asked: Asked, after: int | None) -> AsyncGenerator[bytes, None]:
        """What is new, as it comes, until the caller or we leave; at once what is broken already."""
        journal, told = self._journal, list[BrokenShape]()
        async with self._watchers.watch(asked) as watch:
            seen, is_first = journal.last if after is None else min(after, journal.last), True
            while watch.goes_on():
                fresh, broken = list(journal.newest(seen)), self.broken()
                if fresh or is_first or broken != told:
                    seen, told, is_first = journal.last, broken, False
                    watch.speaks()
                    happened = [self.told(each) for each in reversed(fresh)]
                    yield event(b"news", seen, to_json(NewsShape(happened=happened, broken=broken)))
                elif watch.beats():
                    yield BEAT
                await self._clock.sleep(LOOKS_EVERY)
