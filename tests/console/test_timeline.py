"""The waterfall is true to the record: where bars begin, how long they are, and what is said of them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bff.console.timeline import LEAST, MOST_TICKS, WHOLE, Scale, Timeline, step_of, timeline_of


def span(kind: str, start: float, ms: float, parent: int | None = 0, **more: Any) -> dict[str, Any]:
    told = {
        "kind": kind,
        "name": kind,
        "start_ms": start,
        "ms": ms,
        "parent": parent,
        "error": "",
        "span_id": "",
    }
    return {**told, "facts": {}, **more}


def call(start: float, ms: float, **facts: Any) -> dict[str, Any]:
    told = {"service": "users", "method": "GET", "path": "/u/7", "status": 200, "attempts": 1, "bytes_in": 9}
    return span("call", start, ms, 1, name="users GET", facts={**told, **facts})


def attempt(
    number: int, start: float, ms: float, parent: int, error: str = "", status: int = 200
) -> dict[str, Any]:
    facts = {"number": number, "method": "GET", "endpoint": "10.0.0.1:80", "status": status}
    return span(
        "attempt", start, ms, parent, name=f"attempt {number}", error=error, facts=facts, span_id="ab"
    )


def made(*spans: dict[str, Any], missing: tuple[str, ...] = (), dropped: int = 0) -> Timeline:
    return timeline_of({"spans": spans, "missing": list(missing), "calls_dropped": dropped})


def bars(timeline: Timeline) -> list[tuple[str, int, int, int]]:
    return [(row.label, row.depth, row.x, row.width) for row in timeline.rows]


def test_bars_stand_where_their_time_was() -> None:
    """Nested, in thousandths of the whole."""
    timeline = made(
        span("request", 0.0, 100.0, None, name="GET /home"),
        span("handler", 10.0, 80.0, name="home"),
        call(20.0, 50.0),
        attempt(1, 21.0, 49.0, 2),
        span("encode", 90.0, 5.0),
        missing=("news",),
        dropped=3,
    )
    assert bars(timeline) == [
        ("GET /home", 0, 0, 1000),
        ("home", 1, 100, 800),
        ("users GET", 2, 200, 500),
        ("encode", 1, 900, 50),
    ]
    assert [row.word for row in timeline.rows] == [
        "the page view", "the function", "service call", "answer encoded",
    ]  # fmt: skip
    assert (timeline.missing, timeline.dropped) == (("news",), 3)
    assert [(tick.x, tick.ms) for tick in timeline.ticks] == [
        (0, 0),
        (200, 20),
        (400, 40),
        (600, 60),
        (800, 80),
        (1000, 100),
    ]


def test_a_warm_up_that_others_began_begins_before_the_request() -> None:
    """The axis says so with a negative number."""
    timeline = made(
        span("request", 0.0, 50.0, None),
        span("queue", 0.0, 40.0),
        span("warm-up", -50.0, 90.0, 1),
        span("phase", -50.0, 60.0, 2, name="import"),
    )
    assert bars(timeline)[0] == ("request", 0, 500, 500)
    assert bars(timeline)[2:] == [("warm-up", 2, 0, 900), ("import", 3, 0, 600)]
    assert timeline.ticks[0].ms == -40.0


def test_attempts_are_told_where_there_is_something_to_tell() -> None:
    """A retry follows what has ended, a hedge goes beside what is still out."""
    timeline = made(
        span("request", 0.0, 100.0, None),
        span("handler", 0.0, 100.0),
        call(0.0, 90.0, attempts=3, flags="UF", endpoint="10.0.0.2:80"),
        attempt(1, 0.0, 20.0, 2, error="503", status=503),
        attempt(2, 30.0, 60.0, 2, error="cancelled"),
        attempt(3, 60.0, 30.0, 2),
    )
    whole, first, second, third = timeline.rows[2:]
    assert (whole.tags, whole.service) == (("3 attempts", "UF"), "users")
    assert [row.word for row in (first, second, third)] == ["first attempt", "retry", "hedge"]
    assert (first.error, first.status, first.tone) == ("", 503, "bad")
    assert (second.error, second.tone, second.is_wrong, third.tone) == ("cancelled", "wait", False, "call")
    assert third.facts == {"Endpoint": "10.0.0.1:80", "Status": 200, "Span": "ab"}


def test_what_needed_no_network_says_how() -> None:
    """In words and in its own tone; no attempt was made."""
    timeline = made(
        span("request", 0.0, 10.0, None),
        span("handler", 0.0, 10.0),
        call(1.0, 0.01, cache="hit", attempts=0),
        call(1.0, 5.0, shared=True, attempts=0),
        call(1.0, 5.0, attempts=1, status=None) | {"error": "service-timed-out"},
    )
    hit, shared, late = timeline.rows[2:]
    assert (hit.tags, hit.tone, hit.width) == (("cache hit",), "saved", LEAST)
    assert shared.tags == ("shared with another call",)
    assert (late.error, late.tone, late.status) == ("service timed out", "bad", None)


def test_an_invocation_of_no_time_is_drawn_too() -> None:
    """What was refused at the door."""
    [row] = made(span("request", 0.0, 0.0, None)).rows
    assert (row.x, row.width) == (0, LEAST)


@settings(max_examples=200)
@given(
    st.floats(-1e5, 1e5), st.floats(0, 1e6), st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=5)
)
def test_every_bar_is_within_the_whole_and_can_be_seen(
    begin: float, length: float, parts: list[tuple[float, float]]
) -> None:
    """Whatever the times are, rounding included; ticks are few and in order."""
    scale = Scale(begin, max(length, 1e-3))
    for start, share in parts:
        x, width = scale.bar(begin + start * length, share * (1 - start) * length)
        assert 0 <= x <= WHOLE - LEAST
        assert LEAST <= width <= WHOLE - x
    xs = [tick.x for tick in scale.ticks()]
    assert len(xs) <= MOST_TICKS + 1
    assert xs == sorted(xs)
    assert all(0 <= x <= WHOLE for x in xs)


@pytest.mark.parametrize(
    ("length", "step"), [(6.0, 1.0), (7.0, 2.0), (100.0, 20.0), (0.06, 0.01), (3500.0, 1000.0), (250.0, 50.0)]
)
def test_ticks_stand_at_round_numbers(length: float, step: float) -> None:
    """1, 2 or 5 times a power of ten apart."""
    assert step_of(length) == pytest.approx(step)
