"""A run as rows of a chart: a bar for every step, below it one for every attempt of the parts that are shown. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bff.console.timeline import Scale, Tick

if TYPE_CHECKING:
    from bff.events.course import Course, Part, Stage
    from bff.events.records import Attempt, Progress

TONES = {"delivered": "call", "running": "own", "dead": "bad", "cancelled": "wait", "waiting": "wait"}
"""How an attempt of a part is painted that stands so; each row says in words too how it stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One attempt, in thousandths of the whole; ``says`` is what a pointer over it is told."""

    x: int
    width: int
    tone: str
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PartRow:
    """A part. ``index`` tells it from others of its step, "" where it is the only one; ``why`` is what its last attempt
    said; ``ms`` None while nothing of it has begun.
    """

    index: str
    event: str
    function: str
    state: str
    attempts: int
    progress: Progress | None
    why: str
    where: str
    revision: str
    ms: float | None
    bars: tuple[Bar, ...]

    @property
    def share(self) -> int | None:
        """Percent of it that it says are done."""
        said = self.progress
        if said is None or not said.total or self.state != "running":
            return None
        return max(0, min(100, round(100 * said.done / said.total)))


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRow:
    """A step. ``state`` is its word; ``done`` of ``total`` parts, 0 before it has begun; ``more`` are not shown."""

    at: int
    name: str
    each: str
    state: str
    done: int
    total: int
    dead: int
    ms: float | None
    bar: Bar | None
    parts: tuple[PartRow, ...]
    more: int

    @property
    def shares(self) -> list[tuple[float, str]]:
        """What is done and what is dead, in percent of its parts."""
        whole = max(1, self.total)
        return [(100 * self.done / whole, "ok"), (100 * self.dead / whole, "bad")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """The run. ``ms`` is how long it has taken so far."""

    ms: float
    ticks: tuple[Tick, ...]
    stages: tuple[StageRow, ...]


def course_of(course: Course, now: float) -> Chart:
    """The chart of a run, as it stands."""
    run = course.run
    ends = now if run.state == "running" else run.updated
    for stage in course.stages:  # a run that was begun anew goes on after it had ended
        ends = max(ends, stage.ended or ends)
    ms = max(1.0, 1000 * (ends - run.created))
    scale = Scale(0.0, ms)
    stages = tuple(_stage(each, course, scale, ends) for each in course.stages)
    return Chart(ms=ms, ticks=tuple(scale.ticks()), stages=stages)


def _stage(stage: Stage, course: Course, scale: Scale, ends: float) -> StageRow:
    run, done, total = course.run, stage.counts.get("delivered", 0), stage.total
    state = _state(stage, run.state)
    bar, ms = None, None
    if stage.began is not None:
        until = ends if state == "running" or stage.ended is None else stage.ended
        ms = 1000 * (until - stage.began)
        x, width = scale.bar(1000 * (stage.began - run.created), ms)
        bar = Bar(x=x, width=width, tone="whole", says=state)
    return StageRow(
        at=stage.at,
        name=" + ".join(stage.functions),
        each=stage.each or "",
        state=state,
        done=done,
        total=total,
        dead=stage.counts.get("dead", 0),
        ms=ms,
        bar=bar,
        parts=tuple(_part(part, stage, scale, run.created, ends) for part in stage.parts),
        more=total - len(stage.parts),
    )


def _state(stage: Stage, run: str) -> str:
    counts = stage.counts
    if counts.get("dead"):
        return "failed"
    if counts.get("cancelled"):
        return "cancelled"
    if stage.total and stage.total == counts.get("delivered", 0):
        return "succeeded"
    return "running" if stage.total and run == "running" else "to come" if run == "running" else "not begun"


def _part(part: Part, stage: Stage, scale: Scale, created: float, ends: float) -> PartRow:
    last = part.tries[-1] if part.tries else None
    began = part.tries[0].began if part.tries else None
    return PartRow(
        index=f"#{int(part.event.rpartition('.')[2]) + 1}" if stage.total > 1 else "",
        event=part.event,
        function=part.function,
        state=str(part.state),
        attempts=part.attempts,
        progress=part.progress,
        why=last.detail if last is not None and part.state != "delivered" else "",
        where="" if last is None else last.gateway,
        revision="" if last is None else last.revision,
        ms=None if began is None or last is None else 1000 * ((last.ended or ends) - began),
        bars=tuple(_bars(part, scale, created, ends)),
    )


def _bars(part: Part, scale: Scale, created: float, ends: float) -> Iterator[Bar]:
    for at, each in enumerate(part.tries):
        is_last = at == len(part.tries) - 1
        until = each.ended or (ends if is_last else part.tries[at + 1].began)
        x, width = scale.bar(1000 * (each.began - created), 1000 * (until - each.began))
        tone = TONES.get(str(part.state), "wait") if is_last else "bad"
        yield Bar(x=x, width=width, tone=tone, says=_says(each, is_last=is_last))


def _says(attempt: Attempt, *, is_last: bool) -> str:
    how = attempt.detail or (str(attempt.status) if attempt.status else "")
    if not how:
        how = "runs" if is_last else "its process ended"
    return f"attempt {attempt.number}: {how}"
