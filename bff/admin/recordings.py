"""What happened lately: invocations, each with its waterfall, what failed and why, and all of it as it happens.

A live stream is somebody who asks a few times a second what is new. What comes meanwhile waits nowhere but in the
recorder's own bounded memory, so a reader who is slow misses some, and is told how many.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from itertools import islice
from typing import Any

import orjson

from bff.admin import telling
from bff.admin.operation import EVENTS, Asked, Operation, Query, Reply, shown
from bff.admin.recordshapes import BatchShape, CauseShape, InvocationShape, PulseShape, WholeInvocationShape
from bff.admin.refusals import Busy
from bff.admin.watching import BEAT, Watchers, event
from bff.clock import Clock
from bff.errors import BadRequest, NotFound
from bff.telemetry.entry import Entry
from bff.telemetry.pulse import pulses_of
from bff.telemetry.recorder import Recorder
from bff.telemetry.seeking import Sought, moment_of, statuses_of

LOOKS_EVERY = 0.25
"""Seconds between two events of a stream: what came meanwhile is one of them."""
MOST_WATCHERS = 16
MOST_AT_ONCE = 500
"""Invocations in one event; of more, the newest."""

_SINCE = Query(name="since", says="Only what ended after that: 15m ago, or an instant in RFC 3339.")
_FUNCTION = Query(name="function", says="Only those of this function.")
_SOUGHT = (
    _FUNCTION,
    Query(name="route", says="Only those of this route, by its template."),
    Query(name="revision", says="Only those that this revision answered."),
    Query(name="status", says="Only those with this status, or of this class: 404, 5xx."),
    Query(name="slow", says="true: only slow ones; with errors, either.", kind=bool),
    Query(name="errors", says="true: only those that failed, and not by their callers' fault.", kind=bool),
    Query(name="request_id", says="Only those with this id."),
    _SINCE,
)
_PAGE = (
    Query(name="limit", says="How many at most; 50 if absent. Not for streams.", kind=int, bounds=(1, 1000)),
    Query(name="before", says="Only what ended before the one with this seq.", kind=int),
    Query(name="after", says="Of a stream: begin after the one with this seq, instead of now.", kind=int),
)


class Recordings:
    """The pages about what happened lately. Mutable state: who watches."""

    def __init__(self, recorder: Recorder | None, *, clock: Clock, is_ready: Callable[[], bool]) -> None:
        self._recorder = recorder
        self._clock = clock
        self._watchers = Watchers(MOST_WATCHERS, "invocations", clock=clock, is_ready=is_ready)

    def operations(self) -> list[Operation]:
        """All of them."""
        return [*self._of_invocations(), *self._of_all()]

    def _of_invocations(self) -> list[Operation]:
        return [
            Operation(
                name="listInvocations",
                method="GET",
                path="/v1/invocations",
                says=(
                    "Invocations that are remembered, newest first. With Accept: text/event-stream the answer goes "
                    "on: events `invocations`, four a second at most, each with all that ended meanwhile (BatchShape)."
                ),
                run=self._list,
                query=(*_SOUGHT, *_PAGE),
                answer=list[InvocationShape],
                event=BatchShape,
                refusals=(NotFound, Busy),
            ),
            Operation(
                name="getInvocation",
                method="GET",
                path="/v1/invocations/{request_id}",
                says="One invocation with its waterfall; the newest with this id, unless seq says which.",
                run=self._show,
                query=(Query(name="seq", says="Which of several with this id.", kind=int),),
                answer=WholeInvocationShape,
                refusals=(NotFound,),
            ),
        ]

    def _of_all(self) -> list[Operation]:
        return [
            Operation(
                name="listErrors",
                method="GET",
                path="/v1/errors",
                says="Failures grouped by what caused them, since the start; the one met last comes first.",
                run=self._errors,
                query=(_FUNCTION, _SINCE),
                answer=list[CauseShape],
                refusals=(NotFound,),
            ),
            Operation(
                name="getLive",
                method="GET",
                path="/v1/live",
                says="How functions that are called do at the moment, the busiest first.",
                run=self._live,
                query=(
                    Query(
                        name="window", says="Seconds to look back; 10 if absent.", kind=int, bounds=(1, 300)
                    ),
                ),
                answer=list[PulseShape],
                refusals=(NotFound,),
            ),
        ]

    @property
    def _kept(self) -> Recorder:
        if self._recorder is None:
            raise NotFound("Nothing is remembered here (telemetry.recorder in routes.yaml).")
        return self._recorder

    @property
    def _teller(self) -> telling.Teller:
        return telling.Teller(self._clock.wall() - self._clock.now())

    async def _list(self, asked: Asked) -> Reply:
        recorder, query = self._kept, dict(asked.query)
        limit, before, after = query.pop("limit", 50), query.pop("before", None), query.pop("after", None)
        sought = self._sought(query)
        if EVENTS in asked.accept:
            self._watchers.admit()
            return Reply(kind=EVENTS, body=self._watched(asked, sought, recorder, after))
        entries = recorder.newest(after or 0)
        older = (entry for entry in entries if before is None or entry.number < before)
        return Reply(body=orjson.dumps([*map(self._teller.line, islice(sought.among(older), limit))]))

    def _sought(self, query: dict[str, Any]) -> Sought:
        wanted = dict(query)
        for name, read in (("status", statuses_of), ("since", self._moment)):
            if name in wanted:
                try:
                    wanted[name] = read(wanted[name])
                except ValueError as wrong:
                    raise BadRequest(f"The query parameter {name} {wrong}.") from None
        return Sought(statuses=wanted.pop("status", None), **wanted)

    def _moment(self, text: str) -> float:
        return moment_of(text, now=self._clock.now(), wall=self._clock.wall())

    async def _show(self, asked: Asked) -> Reply:
        entry = self._kept.find(asked.params["request_id"], asked.query.get("seq"))
        if entry is None:
            raise NotFound("No invocation with this id is remembered, or not any more.")
        return shown(self._teller.whole(entry))

    async def _errors(self, asked: Asked) -> Reply:
        groups, sought, teller = self._kept.causes.groups(), self._sought(dict(asked.query)), self._teller
        return shown(
            [
                teller.cause(each)
                for each in groups
                if sought.function in (None, each.function)
                and (sought.since is None or each.last >= sought.since)
            ]
        )

    async def _live(self, asked: Asked) -> Reply:
        entries, window = self._kept.newest(), asked.query.get("window", 10)
        return shown([*map(telling.pulse, pulses_of(entries, self._clock.now(), float(window)))])

    async def _watched(
        self, asked: Asked, sought: Sought, recorder: Recorder, after: int | None
    ) -> AsyncGenerator[bytes, None]:
        """What is new, as it comes, until the caller or we leave."""
        async with self._watchers.watch(asked) as watch:
            seen = recorder.last if after is None else min(after, recorder.last)
            yield b": from here on\n\n"
            while watch.goes_on():
                fresh, missed = news(recorder, sought, seen)
                seen = recorder.last
                if fresh or missed:
                    watch.speaks()
                    yield event_of(self._teller, fresh, missed, seen)
                elif watch.beats():
                    yield BEAT
                await self._clock.sleep(LOOKS_EVERY)


def event_of(teller: telling.Teller, entries: list[Entry], missed: int, seen: int) -> bytes:
    """One event of all these; ``seen`` is its id, to begin after."""
    batch = {"invocations": [*map(teller.line, entries)], "missed": missed}
    return event(b"invocations", seen, orjson.dumps(batch))


def news(recorder: Recorder, sought: Sought, seen: int) -> tuple[list[Entry], int]:
    """Those after a number that fit, oldest first, and how many more nobody will see: they were too many."""
    looked = list(islice(recorder.newest(seen), MOST_AT_ONCE))
    fitting = [entry for entry in reversed(looked) if sought.fits(entry)]
    return fitting, recorder.last - seen - len(looked)
