"""The course of a run, for people: every step with its counts and times, and of its parts as many as can be looked at.

A run may have thousands of parts. What went wrong and what runs is shown before what went well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from bff.events import pipelines, running
from bff.events.picking import places
from bff.events.records import Attempt, Progress, Run, State
from bff.events.standing import progress_of
from bff.frozen import frozen
from bff.revisions.store.database import Row, Session, row

MOST_PARTS = 12
"""Parts of a step that are shown."""
MOST_TRIES = 6
"""Attempts of a part that are shown, the last ones."""
_JOINED = " FROM events e JOIN deliveries d ON d.event = e.key"
_COUNTS = (
    f"SELECT d.trigger_name, d.state, COUNT(*){_JOINED} WHERE e.source = ? GROUP BY d.trigger_name, d.state"
)
_TIMES = (
    f"SELECT d.trigger_name, MIN(a.began), MAX(a.ended){_JOINED} JOIN attempts a ON a.delivery = d.key"
    " WHERE e.source = ? GROUP BY d.trigger_name"
)
_PARTS = (
    f"SELECT d.key, d.event, d.function, d.state, d.attempts, d.due, p.at, p.done, p.total, p.note{_JOINED}"
    " LEFT JOIN progress p ON p.delivery = d.key WHERE e.source = ? AND d.trigger_name = ? ORDER BY CASE d.state"
    " WHEN 'dead' THEN 0 WHEN 'cancelled' THEN 1 WHEN 'running' THEN 2 WHEN 'delivered' THEN 3 ELSE 4 END, d.key"
    " LIMIT ?"
)
_TRIES = (
    "SELECT delivery, number, began, ended, status, code, detail, revision, gateway FROM attempts"
    " WHERE delivery IN ({keys}) ORDER BY delivery, number"
)


@frozen
class Part:
    """A part of a step. ``due`` is not before when it is tried, of one that waits."""

    key: str
    event: str
    function: str
    state: State
    attempts: int
    due: float
    progress: Progress | None
    tries: tuple[Attempt, ...]


@frozen
class Stage:
    """A step of a run. ``counts`` are its parts by state; ``began`` and ``ended`` None where none has; ``parts`` not all of
    them.
    """

    at: int
    functions: tuple[str, ...]
    each: str | None
    counts: Mapping[str, int]
    began: float | None
    ended: float | None
    parts: tuple[Part, ...]

    @property
    def total(self) -> int:
        """How many parts there are so far."""
        return sum(self.counts.values())


@frozen
class Course:
    """A run and its steps."""

    run: Run
    stages: tuple[Stage, ...]


def course(session: Session, key: str) -> Course | None:
    """The course of a run, if it is kept."""
    found, said = running.run(session, key), row(session, "SELECT plan FROM runs WHERE key = ?", key)
    if found is None or said is None:
        return None
    source = pipelines.source_of(found.pipeline, key)
    counts: dict[str, Counter[str]] = {}
    for trigger, state, count in session.rows(_COUNTS, source):
        counts.setdefault(trigger, Counter())[state] = count
    times = {trigger: (began, ended) for trigger, began, ended in session.rows(_TIMES, source)}
    stages = []
    for at, step in enumerate(pipelines.read(said[0])):
        trigger = pipelines.trigger_of(found.pipeline, at)
        began, ended = times.get(trigger, (None, None))
        stages.append(
            Stage(
                at=at,
                functions=step.functions,
                each=step.each,
                counts=counts.get(trigger, {}),
                began=began,
                ended=ended,
                parts=tuple(_parts(session, source, trigger)) if trigger in counts else (),
            )
        )
    return Course(run=found, stages=tuple(stages))


def _parts(session: Session, source: str, trigger: str) -> list[Part]:
    found = session.rows(_PARTS, source, trigger, MOST_PARTS)
    tries = _tries(session, [each[0] for each in found])
    return [_part(each, tries.get(each[0], ())) for each in sorted(found, key=lambda each: str(each[0]))]


def _part(found: Row, tries: Sequence[Attempt]) -> Part:
    key, event, function, state, attempts, due, *said = found
    return Part(
        key=key,
        event=event,
        function=function,
        state=State(state),
        attempts=attempts,
        due=due,
        progress=progress_of(said),
        tries=tuple(tries[-MOST_TRIES:]),
    )


def _tries(session: Session, keys: Sequence[str]) -> dict[str, list[Attempt]]:
    found: dict[str, list[Attempt]] = {}
    names = ("number", "began", "ended", "status", "code", "detail", "revision", "gateway")
    for delivery, *rest in session.rows(_TRIES.format(keys=places(keys)), *keys) if keys else ():
        found.setdefault(delivery, []).append(Attempt(**dict(zip(names, rest, strict=True))))
    return found
