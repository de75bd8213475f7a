"""Who looks for something finds that and nothing else; how functions do is computed from the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bff.errors import FunctionFailed
from bff.telemetry.pulse import MOST_ENTRIES, pulses_of
from bff.telemetry.redaction import REDACTED, redacted, redacted_path
from bff.telemetry.seeking import Sought, moment_of, statuses_of

if TYPE_CHECKING:
    from bff.telemetry.recorder import Recorder
    from bff.testing import ManualClock
    from tests.telemetry.conftest import Ended


@pytest.mark.parametrize(
    ("sought", "found"),
    [
        (Sought(), ["other", "failed", "slow", "home"]),
        (Sought(function="home"), ["failed", "slow", "home"]),
        (Sought(function="nobody"), []),
        (Sought(route="/slow"), ["slow"]),
        (Sought(revision="home-00001"), ["home"]),
        (Sought(request_id="home"), ["home"]),
        (Sought(statuses=(400, 499)), ["other"]),
        (Sought(statuses=(500, 500)), ["failed"]),
        (Sought(slow=True), ["slow"]),
        (Sought(errors=True), ["failed"]),
        (Sought(slow=True, errors=True), ["failed", "slow"]),
        (Sought(slow=True, statuses=(500, 599)), []),
        (Sought(since=1002.0), ["other", "failed"]),
    ],
)
def test_everything_that_is_said_has_to_be_so(
    recorder: Recorder, ended: Ended, clock: ManualClock, sought: Sought, found: list[str]
) -> None:
    """Slow and errors together mean either."""
    for number, told in enumerate(
        (
            ended("home", revision="home-00001"),
            ended("slow", seconds=0.7, route="/slow"),
            ended("failed", status=500, error=FunctionFailed("home")),
            ended("other", function="other", status=404),
        )
    ):
        told.ended += number
        told.started += number
        recorder.keep(told)
    assert [entry.request_id for entry in sought.among(recorder.newest())] == found


@pytest.mark.parametrize(
    ("text", "statuses"), [("404", (404, 404)), ("5xx", (500, 599)), ("200", (200, 200))]
)
def test_a_status_or_a_class_of_them_is_read(text: str, statuses: tuple[int, int]) -> None:
    """As people write it."""
    assert statuses_of(text) == statuses


@pytest.mark.parametrize("text", ["", "5", "5x", "600", "099", "5xx ", "x04", "٤٠٤"])
def test_anything_else_is_no_status(text: str) -> None:
    """And is not guessed at."""
    with pytest.raises(ValueError, match="404"):
        statuses_of(text)


def test_a_time_is_read_from_now_or_from_the_calendar() -> None:
    """Durations are ago; an instant without a zone is UTC."""
    now, wall = 5000.0, 1_767_225_600.0  # 2026-01-01T00:00:00Z
    assert moment_of("15m", now=now, wall=wall) == 4100.0
    assert moment_of("2026-01-01T00:00:00Z", now=now, wall=wall) == 5000.0
    assert moment_of("2025-12-31T23:59:50", now=now, wall=wall) == 4990.0
    assert moment_of("2026-01-01T01:00:10+01:00", now=now, wall=wall) == 5010.0
    with pytest.raises(ValueError, match="15m"):
        moment_of("yesterday", now=now, wall=wall)


def test_the_pulse_is_of_the_last_seconds_only(recorder: Recorder, ended: Ended, clock: ManualClock) -> None:
    """Rates, quantiles by nearest rank, the busiest function first."""
    old = ended("old", function="gone")
    old.ended -= 60
    recorder.keep(old)
    for number in range(1, 101):
        recorder.keep(ended(seconds=number / 1000))
    recorder.keep(ended(function="other", seconds=2.0, status=500, error=FunctionFailed("x"), phases={}))
    recorder.keep(ended(function="", route="", status=404))
    home, other = pulses_of(recorder.newest(), clock.now(), 10.0)
    assert (home.function, home.count, home.rate, home.errors) == ("home", 100, 10.0, 0.0)
    assert [round(each * 1000) for each in (home.p50, home.p99, home.longest)] == [50, 99, 100]
    assert (other.function, other.errors, other.slow, other.cold) == ("other", 0.1, 1, 1)
    assert (other.p50, other.p99, other.longest) == (2.0, 2.0, 2.0)


def test_where_there_was_more_than_is_looked_at_the_window_is_shorter(
    recorder: Recorder, ended: Ended, clock: ManualClock
) -> None:
    """The rate stays true."""
    recorder.configure(memory=2**26, slow=1.0)
    for number in range(MOST_ENTRIES + 1000):
        made = ended()
        made.ended -= (MOST_ENTRIES + 1000 - number) / 1000  # a thousand a second
        recorder.keep(made)
    [home] = pulses_of(recorder.newest(), clock.now(), 10.0)
    assert home.count == MOST_ENTRIES
    assert round(home.rate) == 1000


def test_secrets_have_no_value() -> None:
    """By their names, at any depth; what only looks alike stays."""
    assert redacted_path("/a?token=1&x=2&api_key=3&monkey=4&Password=5") == (
        f"/a?token={REDACTED}&x=2&api_key={REDACTED}&monkey=4&Password={REDACTED}"
    )
    assert redacted_path("/token/1") == "/token/1"
    told = {
        "user": "ann",
        "passwords": REDACTED,
        "pass": REDACTED,
        "compass": "n",
        "list": [{"access_token": "t", "n": 1}],
        "authorization": {"a": 1},
    }
    assert redacted(told) == {
        "user": "ann",
        "passwords": REDACTED,
        "pass": REDACTED,
        "compass": "n",
        "list": [{"access_token": REDACTED, "n": 1}],
        "authorization": REDACTED,
    }
