"""The course of a run is true to what is kept: where bars stand, what is said of each step and part."""

from __future__ import annotations

from typing import Any

from bff.console.course import Chart, course_of
from bff.console.timeline import WHOLE
from bff.events.course import Course, Part, Stage
from bff.events.records import Attempt, Progress, Run, State


def run(state: str = "running", **more: Any) -> Run:
    told = {"key": "k", "pipeline": "p", "step": 1, "total": 4, "done": 1, "created": 100.0, "updated": 110.0}
    return Run(**{**told, "why": "", "state": state, **more})


def attempt(number: int, began: float, ended: float | None, detail: str = "", status: int = 200) -> Attempt:
    return Attempt(
        number=number, began=began, ended=ended, status=status if ended else 0, code="", detail=detail,
        revision="f-00001", gateway="vm/7/w-1",
    )  # fmt: skip


def part(number: int, state: State, *tries: Attempt, progress: Progress | None = None) -> Part:
    return Part(
        key=f"k-01.{number:05}.0", event=f"k-01.{number:05}", function="f", state=state, attempts=len(tries),
        due=0.0, progress=progress, tries=tries,
    )  # fmt: skip


def stage(at: int, *parts: Part, began: float | None, ended: float | None = None, **counts: int) -> Stage:
    return Stage(
        at=at, functions=("f", "g"), each="$.l" if parts else None, counts=counts, began=began, ended=ended,
        parts=parts,
    )  # fmt: skip


def made(**more: Any) -> Chart:
    first = stage(0, began=100.0, ended=102.0, delivered=1)
    lost = part(0, State.RUNNING, attempt(1, 102.0, None), attempt(2, 105.0, None))
    said = Progress(at=0.0, done=1, total=4, note="a quarter")
    second = stage(
        1,
        lost,
        part(1, State.RUNNING, attempt(1, 102.0, None), progress=said),
        part(2, State.WAITING),
        began=102.0,
        **{"delivered": 1, "running": 2, "waiting": 1, **more},
    )
    return course_of(Course(run=run(), stages=(first, second, stage(2, began=None))), now=110.0)


def test_bars_stand_where_their_time_was() -> None:
    """In thousandths of the time since the run began; what goes on reaches to now."""
    chart = made()
    assert chart.ms == 10_000
    assert [(each.bar.x, each.bar.width) if each.bar else None for each in chart.stages] == [
        (0, 200),
        (200, 800),
        None,
    ]
    lost, running, waiting = chart.stages[1].parts
    assert [(bar.x, bar.width, bar.tone) for bar in lost.bars] == [(200, 300, "bad"), (500, 500, "own")]
    assert [bar.says for bar in lost.bars] == ["attempt 1: its process ended", "attempt 2: runs"]
    assert (running.share, running.ms, waiting.ms, waiting.bars) == (25, 8000, None, ())
    assert (chart.ticks[0].x, max(tick.x for tick in chart.ticks) <= WHOLE) == (0, True)


def test_each_step_says_how_it_stands() -> None:
    """Of those that are not shown it says how many there are."""
    chart = made()
    assert [each.state for each in chart.stages] == ["succeeded", "running", "to come"]
    assert (chart.stages[1].done, chart.stages[1].total, chart.stages[1].more) == (1, 4, 1)
    assert [each.index for each in chart.stages[1].parts] == ["#1", "#2", "#3"]
    assert made(dead=1).stages[1].state == "failed"
    assert made(cancelled=1).stages[1].state == "cancelled"


def test_a_run_that_is_over_ends_where_it_ended_also_when_it_was_begun_anew() -> None:
    dead = part(0, State.DEAD, attempt(1, 101.0, 104.0, "no", 500))
    over = Course(run=run("failed"), stages=(stage(0, dead, began=101.0, ended=104.0, dead=1),))
    chart = course_of(over, now=10_000.0)
    assert (chart.ms, chart.stages[0].ms) == (10_000, 3000)
    (row,) = chart.stages[0].parts
    assert (row.index, row.why, row.bars[0].says, row.bars[0].tone) == ("", "no", "attempt 1: no", "bad")
    late = Course(run=run("failed"), stages=(stage(0, began=101.0, ended=120.0, dead=1),))
    assert course_of(late, now=10_000.0).ms == 20_000
    unbegun = Course(run=run("cancelled", updated=100.0), stages=(stage(0, began=None),))
    assert (course_of(unbegun, now=0.0).stages[0].state, course_of(unbegun, now=0.0).ms) == ("not begun", 1.0)
