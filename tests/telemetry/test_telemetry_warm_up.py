"""What a warm-up and a blocked loop become in the log and in the metrics."""

from __future__ import annotations

import io
import json
import threading
from typing import Any

import pytest

from bff.measured import Imported, WarmUp
from bff.signals import (
    Culprit,
    FirstCalled,
    LoopBlocked,
    LoopLost,
    LoopReturned,
    Signals,
    ThreadsStuck,
    WarmedUp,
)
from bff.telemetry.eventlog import EventLog
from bff.telemetry.lines import Lines
from bff.telemetry.metrics import Metrics

IMPORTS = Imported(
    cumulative=0.35,
    is_own=True,
    children=(
        Imported(
            name="home",
            cumulative=0.35,
            is_own=True,
            children=(
                Imported(name="cheap", cumulative=0.01, line=1),
                Imported(name="dear", cumulative=0.2, line=2),
                Imported(name="dearer", cumulative=0.09, line=3),
            ),
        ),
    ),
)
WARM_UP = WarmUp(
    function="home",
    revision="home-00001",
    phases={
        "queue": 0.001,
        "read": 0.002,
        "compile": 0.003,
        "imports": 0.35,
        "construct": 0.004,
        "start": 0.1,
    },
    imports=IMPORTS,
    is_first_ever=True,
)
CULPRIT = Culprit(function="home", revision="home-00001", line="functions/home.py:7")


@pytest.fixture
def signals() -> Signals:
    return Signals()


@pytest.fixture
def written(signals: Signals) -> io.StringIO:
    stream = io.StringIO()
    EventLog(Lines(stream, pretty=False, level="info")).listen(signals)
    return stream


def told(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_warm_up_is_one_line_called_report(signals: Signals, written: io.StringIO) -> None:
    """How long until calls could enter, each phase, the three dearest imports, and whether it was the first."""
    signals.emit(WarmedUp(warm_up=WARM_UP))
    [line] = told(written)
    assert (line["event"], line["level"]) == ("REPORT", "info")
    assert (line["function"], line["revision"], line["first_ever"]) == ("home", "home-00001", True)
    assert line["init_ms"] == 460.0
    assert list(line["phases_ms"].items())[:2] == [("queue", 1.0), ("read", 2.0)]
    assert line["imports_ms"] == {"dear": 200.0, "dearer": 90.0, "home": 50.0}


def test_the_first_call_is_no_part_of_the_warm_up() -> None:
    """It is a phase of its own, and the time until calls could enter stays what it was."""
    called = WARM_UP.then_called(2.0)
    assert called.seconds == WARM_UP.seconds == pytest.approx(0.46)
    assert list(called.phases)[-1] == "first_call"
    assert "first_call" not in WARM_UP.phases


def test_phases_are_counted_apart_for_first_and_later_warm_ups(signals: Signals) -> None:
    """One observation a phase and warm-up; the first call is observed when it was answered."""
    metrics = Metrics()
    metrics.listen(signals)
    signals.emit(WarmedUp(warm_up=WARM_UP))
    signals.emit(FirstCalled(warm_up=WARM_UP.then_called(0.5)))
    again = WarmUp(function="home", revision="home-00001", phases={"start": 0.1}, is_first_ever=False)
    signals.emit(WarmedUp(warm_up=again))
    text = metrics.scrape.now()[0].decode()

    def count(phase: str, first_ever: str) -> int:
        labels = f'first_ever="{first_ever}",function="home",phase="{phase}",revision="home-00001"'
        return text.count(f"bff_warm_up_duration_seconds_count{{{labels}}} 1.0")

    assert [count(phase, "true") for phase in (*WARM_UP.phases, "first_call")] == [1] * 7
    assert (count("start", "false"), count("imports", "false")) == (1, 0)


def test_a_blockage_is_told_at_once_and_with_a_remedy(signals: Signals, written: io.StringIO) -> None:
    """From a thread, as the watchdog does: nothing waits for a loop that stands still."""
    thread = threading.Thread(target=signals.emit, args=(LoopBlocked(culprit=CULPRIT, seconds=0.5),))
    thread.start()
    thread.join()
    [line] = told(written)
    assert (line["level"], line["line"], line["ms"]) == ("error", "functions/home.py:7", 500)
    assert "isolation: process" in line["remedy"]
    assert "request_id" not in line


def test_a_blockage_of_nobodys_has_no_remedy(signals: Signals, written: io.StringIO) -> None:
    """There is no function whose isolation could be set."""
    signals.emit(LoopBlocked(culprit=Culprit(line="somewhere.py:1"), seconds=0.5))
    assert told(written)[0]["remedy"] == ""


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_the_last_words_come_after_everything_that_waited(signals: Signals) -> None:
    """Lines wait for company on a loop that turns; a lost loop's are written by whoever tells of its end."""
    stream = io.StringIO()
    lines = Lines(stream, pretty=False, level="info")
    EventLog(lines).listen(signals)
    lines.write("info", "before", {})
    assert told(stream) == []
    thread = threading.Thread(target=signals.emit, args=(LoopLost(culprit=CULPRIT, seconds=10.0),))
    thread.start()
    thread.join()
    before, last = told(stream)
    assert (before["event"], last["ms"]) == ("before", 10_000)
    lines.flush()
    assert len(told(stream)) == 2


def test_blockages_are_counted_and_the_longest_is_kept(signals: Signals) -> None:
    """Each once, when it begins; its length when it is known."""
    metrics = Metrics()
    metrics.listen(signals)
    for seconds in (3.0, 1.0):
        signals.emit(LoopBlocked(culprit=CULPRIT, seconds=0.5))
        signals.emit(LoopReturned(culprit=CULPRIT, seconds=seconds))
    labels = 'function="home",revision="home-00001"'
    text = metrics.scrape.now()[0].decode()
    assert f"bff_loop_blocked_total{{{labels}}} 2.0" in text
    assert f"bff_loop_blocked_longest_seconds{{{labels}}} 3.0" in text


def test_stuck_threads_are_counted_and_told_with_a_remedy(signals: Signals, written: io.StringIO) -> None:
    """As many as there are now, by revision; the last one that comes back needs no remedy."""
    metrics = Metrics()
    metrics.listen(signals)
    for count in (1, 2):
        signals.emit(ThreadsStuck(function="home", revision="home-00001", count=count))
    assert 'bff_stuck_threads{function="home",revision="home-00001"} 2.0' in metrics.scrape.now()[0].decode()
    signals.emit(ThreadsStuck(function="home", revision="home-00001", count=0))
    assert 'bff_stuck_threads{function="home",revision="home-00001"} 0.0' in metrics.scrape.now()[0].decode()
    one, two, none = told(written)
    assert (one["level"], two["stuck_threads"]) == ("warning", 2)
    assert "isolation: process" in one["remedy"]
    assert (none["level"], "remedy" in none) == ("info", False)
