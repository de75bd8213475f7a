"""What was asked for before a change is known to have been, however many changes there were since."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from bff.services.changes import MOST, Changes


def test_only_what_was_changed_and_only_what_was_asked_before() -> None:
    """To the instant: who asks at the moment of the change comes after it."""
    changes = Changes()
    assert not changes.came_after(["/a"], 0.0)
    changes.note(["/a", "/b"], 5.0)
    assert changes.came_after(["/x", "/a"], 4.9)
    assert changes.came_after(["/b"], 4.9)
    assert not changes.came_after(["/a"], 5.0)
    assert not changes.came_after(["/x"], 4.9)


def test_what_is_forgotten_counts_for_everybody() -> None:
    """Memory is bounded, and the error is on the safe side."""
    changes = Changes()
    for number in range(MOST + 10):
        changes.note([f"/{number}"], float(number))
    assert repr(changes) == f"<Changes: {MOST} remembered>"
    assert changes.came_after(["/never"], 8.9)
    assert not changes.came_after(["/never"], 9.0)
    assert changes.came_after([f"/{MOST}"], MOST - 1.0)


@settings(max_examples=50)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 3)), max_size=20), st.integers(0, 60))
def test_it_agrees_with_remembering_everything(noted: list[tuple[str, int]], asked: int) -> None:
    """A place that is changed again counts by the latest time."""
    changes, latest, now = Changes(), dict[str, int](), 0
    for what, later in noted:
        now += later
        changes.note([what], now)
        latest[what] = now
    for what in "abcd":
        assert changes.came_after([what], asked) == (latest.get(what, -1) > asked)
