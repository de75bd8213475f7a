"""What somebody looks for among invocations is found, and followed without looking at anything twice."""

from __future__ import annotations

from typing import Any

import pytest

from bff.console.lookout import MOST_ROWS, Lookout, Lookouts, Wanted, line_of
from bff.errors import FunctionFailed
from bff.telemetry.failure import Witness
from bff.telemetry.identity import Callers
from bff.telemetry.recorder import Recorder
from bff.testing import ManualClock
from tests.admin.test_recordings import ended

CLOCK = ManualClock()


@pytest.fixture
def recorder() -> Recorder:
    return Recorder(Witness(lambda _module, _file: None), Callers(), memory=2**20, slow=0.5)


def keep(recorder: Recorder, request_id: str, **known: Any) -> None:
    recorder.keep(ended(CLOCK, request_id, **known))


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Wanted(), ["slow", "cold", "bad", "lost", "plain"]),
        (Wanted(text="CART"), ["bad"]),
        (Wanted(text="/home"), ["slow", "cold", "plain"]),
        (Wanted(text="home-00002"), ["cold"]),
        (Wanted(text="plai"), ["plain"]),
        (Wanted(kind="errors"), ["bad"]),
        (Wanted(kind="slow"), ["slow"]),
        (Wanted(kind="cold"), ["cold"]),
        (Wanted(kind="incomplete"), ["plain"]),
        (Wanted(status="4xx"), ["lost"]),
        (Wanted(status="500", text="bad"), ["bad"]),
        (Wanted(status="2xx", kind="errors"), []),
        (Wanted(kind="nonsense"), ["slow", "cold", "bad", "lost", "plain"]),
    ],
)
def test_everything_that_is_said_has_to_be_so(recorder: Recorder, wanted: Wanted, found: list[str]) -> None:
    """A part of a name in any case, a kind, a status; the newest first."""
    keep(recorder, "plain", missing=["news"])
    keep(recorder, "lost", status=404, route="", function="")
    keep(recorder, "bad", status=500, function="cart", route="/cart", error=FunctionFailed("cart"))
    keep(recorder, "cold", revision="home-00002", phases={"read": 0.001})
    keep(recorder, "slow", seconds=0.6)
    assert [entry.request_id for entry in Lookouts(recorder).look(wanted)] == found


def test_a_status_that_is_none_is_said(recorder: Recorder) -> None:
    """As the admin API says it."""
    with pytest.raises(ValueError, match="is a status such as 404"):
        Lookouts(recorder).look(Wanted(status="6xx"))


def test_who_looks_again_looks_only_at_what_is_new(recorder: Recorder) -> None:
    """However much is remembered; and what does not fit is looked at once."""
    looked = []

    def fits(entry: Any) -> bool:
        looked.append(entry.request_id)
        return bool(entry.function == "home")

    for number in range(3):
        keep(recorder, f"h{number}")
        keep(recorder, f"o{number}", function="other")
    lookout = Lookout(recorder, fits)
    assert [entry.request_id for entry in lookout.look()] == ["h2", "h1", "h0"]
    looked.clear()
    keep(recorder, "new")
    assert [entry.request_id for entry in lookout.look()] == ["new", "h2", "h1", "h0"]
    assert looked == ["new"]
    assert len(lookout.look()) == 4


def test_rows_are_so_many_and_no_more(recorder: Recorder) -> None:
    """The newest, also where more came between two looks."""
    lookout = Lookout(recorder, lambda _: True)
    for start in (0, 1000):
        for number in range(MOST_ROWS * 2):
            keep(recorder, f"r{start + number}")
        found = [entry.request_id for entry in lookout.look()]
        assert (len(found), found[0]) == (MOST_ROWS, f"r{start + MOST_ROWS * 2 - 1}")


def test_what_is_unusual_is_told_in_words() -> None:
    """With whose fault it was: a caller's own is nothing to be red about."""
    plain = {"cold": False, "slow": False, "missing": [], "error": None, "fault": None}
    assert line_of(plain)["marks"] == []
    assert line_of({**plain, "cold": True, "slow": True, "missing": ["a", "b"]})["marks"] == [
        ("cold start", "accent"), ("slow", "warn"), ("without a, b", "warn"),
    ]  # fmt: skip
    assert line_of({**plain, "error": "not-found", "fault": "caller"})["marks"] == [("not found", "")]
    assert line_of({**plain, "error": "function-failed", "fault": "function"})["marks"] == [
        ("function failed", "bad")
    ]
