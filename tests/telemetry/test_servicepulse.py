"""How services do, told from the invocations that called them."""

from __future__ import annotations

from typing import Any

from bff.sdk.callrecord import CallRecord
from bff.telemetry.recorder import Recorder
from bff.telemetry.servicepulse import is_failed, service_pulses_of
from bff.testing import ManualClock
from tests.telemetry.conftest import Ended


def call(service: str, clock: ManualClock, seconds: float = 0.01, **known: Any) -> CallRecord:
    made = CallRecord(service, "GET", "/", clock.now() - seconds, ended=clock.now(), attempts=1, status=200)
    for name, value in known.items():
        setattr(made, name, value)
    return made


async def test_calls_are_counted_by_service_and_by_how_they_went(
    recorder: Recorder, ended: Ended, clock: ManualClock, anyio_backend: str
) -> None:
    """Errors, what was sent again, what needed no network; times are of those that did."""
    recorder.keep(ended("old", calls=[call("users", clock)]))
    await clock.advance(100.0)
    recorder.keep(
        ended(
            "one",
            calls=[
                call("users", clock, 0.02),
                call("users", clock, 0.3, attempts=3, error="service-timed-out", status=None),
                call("users", clock, 0.0, attempts=0, cached="hit"),
                call("users", clock, 0.0, attempts=0, coalesced=True),
                call("designs", clock, status=503),
            ],
        )
    )
    recorder.keep(ended("two", function="cart", calls=[call("users", clock, 0.01)]))
    pulses = service_pulses_of(recorder.newest(), clock.now(), 10.0)
    users, designs = pulses["users"], pulses["designs"]
    assert (users.calls, users.errors, users.resent, users.cached, users.shared) == (5, 1, 2, 1, 1)
    assert (users.rate, users.functions) == (0.5, ("cart", "home"))
    times = (users.p50, users.p99, users.longest)
    assert [each and round(each, 3) for each in times] == [0.02, 0.3, 0.3]
    assert (designs.calls, designs.errors) == (1, 1)


def test_where_nothing_went_over_the_network_there_are_no_times(
    recorder: Recorder, ended: Ended, clock: ManualClock
) -> None:
    """None, and not zero."""
    recorder.keep(ended("r", calls=[call("users", clock, attempts=0, cached="hit")]))
    assert service_pulses_of(recorder.newest(), clock.now(), 10.0)["users"].longest is None


def test_who_is_cancelled_says_nothing_of_the_service(clock: ManualClock) -> None:
    """Another part failed, or the caller left."""
    assert not is_failed(call("users", clock, error="cancelled", status=None))
    assert not is_failed(call("users", clock, status=404))
    assert is_failed(call("users", clock, status=500))
    assert is_failed(call("users", clock, error="service-unreachable", status=None))
