"""What watching costs is measured on a house that really is watched."""

from benchmarks import observing
from benchmarks.__main__ import BENCHMARKS
from benchmarks.figures import GOALS


def test_a_watched_house_answers_streams_and_sends():
    """Recorder, log, metrics and traces together, in a process of their own."""
    told = observing.run("watched", 300)
    assert told["microseconds"] > 0
    assert told["streamed"] > 0


def test_every_kind_is_measured_and_both_goals_are_known():
    """Bare beside each of the others."""
    assert set(observing.KINDS) == {"bare", "recorder", "traces", "watched"}
    assert {goal.key for goal in GOALS if goal.benchmark == "observing"} == {
        "observing.traces",
        "observing.stream",
    }
    assert BENCHMARKS["observing"] is observing.measure
