"""An invocation becomes a tree of spans in which every time is where it was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bff.errors import FunctionFailed
from bff.sdk.attempt import Attempt
from bff.sdk.callrecord import CallRecord
from bff.sdk.invocation import Invocation
from bff.telemetry.entry import Entry, taken
from bff.telemetry.spans import Span, spans_of
from tests.telemetry.conftest import WITNESS

if TYPE_CHECKING:
    from bff.testing import ManualClock
    from tests.telemetry.conftest import Ended


def entry_of(invocation: Invocation) -> Entry:
    return Entry.of(taken(invocation, 1, 1.0, WITNESS.failure_of(invocation)))


def shown(spans: list[Span], started: float) -> list[tuple[Any, ...]]:
    """Kind, name, parent, and milliseconds from the start."""
    return [
        (
            *(str(span.kind), span.name, span.parent),
            *(round((span.begin - started) * 1000), round((span.end - started) * 1000)),
        )
        for span in spans
    ]


def call(started: float, ended: float | None, **known: Any) -> CallRecord:
    made = CallRecord("users", "GET", "/users/7", started)
    made.ended = ended
    for name, value in known.items():
        setattr(made, name, value)
    return made


def test_a_cold_call_shows_where_its_time_went(ended: Ended) -> None:
    """Waiting, the warm-up by phase at its end, the handler with its calls, encoding, sending."""
    made = ended("cold", seconds=0.1, revision="home-00001")
    start = made.started
    made.queued, made.warmed, made.began = start + 0.01, start + 0.04, start + 0.05
    made.phases = {"read": 0.005, "imports": 0.015, "first_call": 0.03}
    made.handler_seconds, made.returned = 0.03, start + 0.078
    made.calls = [
        call(start + 0.055, start + 0.07, status=200, attempts=1, sent=start + 0.056, span_id="a" * 16)
    ]
    assert shown(spans_of(entry_of(made)), start) == [
        ("request", "GET /home", None, 0, 100),
        ("queue", "queue", 0, 10, 50),
        ("warm-up", "warm up home-00001", 1, 20, 40),
        ("phase", "read", 2, 20, 25),
        ("phase", "imports", 2, 25, 40),
        ("handler", "home", 0, 50, 78),
        ("call", "users GET", 5, 55, 70),
        ("attempt", "attempt 1", 6, 56, 70),
        ("encode", "encode", 0, 78, 80),
        ("send", "send", 0, 80, 100),
    ]
    assert spans_of(entry_of(made))[7].span_id == "a" * 16


def test_every_attempt_of_a_call_is_a_span_of_its_own(ended: Ended) -> None:
    """Retries one after the other, hedges beside each other, in the order in which they began."""
    made = ended("retried", seconds=0.1)
    start = made.started
    made.began, made.handler_seconds = start, 0.09
    tries = [
        Attempt(started=start + 0.03, ended=start + 0.04, endpoint="b:1", span_id="2", error="cancelled"),
        Attempt(started=start + 0.01, ended=start + 0.06, endpoint="a:1", span_id="1", status=503),
        Attempt(started=start + 0.07, ended=start + 0.08, endpoint="b:1", span_id="3", status=200),
    ]
    made.calls = [call(start + 0.01, start + 0.08, status=200, attempts=3, tries=tries)]
    spans = [span for span in spans_of(entry_of(made)) if span.kind == "attempt"]
    assert [(span.name, span.span_id, span.error, span.facts["endpoint"]) for span in spans] == [
        ("attempt 1", "1", "503", "a:1"),
        ("attempt 2", "2", "cancelled", "b:1"),
        ("attempt 3", "3", "", "b:1"),
    ]
    assert {span.parent for span in spans} == {2}


def test_what_no_service_was_asked_for_has_no_attempt(ended: Ended) -> None:
    """An answer of the cache says so; a call that never ended did so with its invocation."""
    made = ended("cached", seconds=0.1)
    start = made.started
    made.began, made.handler_seconds = start, 0.09
    made.calls = [
        call(start + 0.01, start + 0.01, status=200, cached="hit"),
        call(start + 0.02, None, coalesced=True),
    ]
    spans = spans_of(entry_of(made))
    calls = [span for span in spans if span.kind == "call"]
    assert [span.facts.get("cache") for span in calls] == ["hit", None]
    assert calls[1].facts["shared"] is True
    assert calls[1].end == made.ended
    assert not [span for span in spans if span.kind == "attempt"]


def test_what_passes_through_has_no_handler(ended: Ended) -> None:
    """Its call belongs to the request; nothing is encoded."""
    made = ended("through", seconds=0.1, function="")
    made.calls = [call(made.started + 0.01, made.ended, status=200, attempts=1)]
    assert [(str(span.kind), span.parent) for span in spans_of(entry_of(made))] == [
        ("request", None),
        ("call", 0),
        ("attempt", 1),
    ]


def test_calls_of_a_stream_are_the_requests(ended: Ended) -> None:
    """The handler's time ends where the answer begins."""
    made = ended("stream", seconds=0.1)
    made.began, made.handler_seconds = made.started, 0.01
    made.calls = [call(made.started + 0.05, made.started + 0.06, status=200)]
    spans = spans_of(entry_of(made))
    assert next(span for span in spans if span.kind == "call").parent == 0


def test_who_never_got_in_has_waited_to_the_end(ended: Ended, clock: ManualClock) -> None:
    """A deadline that passed in the queue, or a warm-up that failed."""
    made = ended("waited", seconds=0.1, status=504, error=FunctionFailed("home"))
    made.queued = made.started + 0.01
    spans = spans_of(entry_of(made))
    assert shown(spans, made.started) == [
        ("request", "GET /home", None, 0, 100),
        ("queue", "queue", 0, 10, 100),
    ]
    assert spans[0].error == "function-failed"


def test_somebody_elses_warm_up_may_have_begun_before(ended: Ended) -> None:
    """Times are what they were: it lies before the request, in part."""
    made = ended("late", seconds=0.1, revision="home-00001")
    start = made.started
    made.queued, made.warmed, made.began = start, start + 0.01, start + 0.01
    made.phases = {"imports": 0.05}
    [warm_up] = [span for span in spans_of(entry_of(made)) if span.kind == "warm-up"]
    assert round((warm_up.begin - start) * 1000) == -40
