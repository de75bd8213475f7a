"""Of which calls spans are sent: what was decided, what went wrong, and no more than may be."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest

from bff.errors import BadRequest, FunctionFailed
from bff.sdk.invocation import Incoming
from bff.telemetry.sampling import MOST_WAITING, Policy, Sampling
from bff.trace import Origin, TraceContext
from tests.telemetry.conftest import WITNESS

if TYPE_CHECKING:
    from bff.testing import ManualClock
    from tests.telemetry.conftest import Ended

ID, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
UP = f"00-{ID}-{PARENT}-01".encode()


def sampling(**other: Any) -> Sampling:
    known: dict[str, Any] = {"share": 0.0, "errors": True, "slow": 0.5, "most": 10_000, **other}
    return Sampling(Policy(**known), WITNESS)


def incoming(*fields: tuple[bytes, bytes]) -> Incoming:
    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    return Incoming({"headers": list(fields)}, receive, {}, 1)


@pytest.mark.parametrize(
    ("known", "is_sent"),
    [
        ({}, False),
        ({"seconds": 0.5}, True),
        ({"status": 500, "error": FunctionFailed("home")}, True),
        ({"status": 502}, True),
        ({"status": 404, "error": BadRequest("No.")}, False),
        ({"traceparent": UP}, True),
        ({"traceparent": UP[:-1] + b"0"}, False),
        ({"traceparent": b"nonsense"}, False),
        ({"known_trace": TraceContext(ID, None, 1)}, True),
        ({"known_trace": TraceContext(ID, None, 2)}, False),
        ({"incoming": incoming((b"b3", b"1"))}, True),
        ({"incoming": incoming((b"b3", b"0"))}, False),
        ({"incoming": incoming((b"accept", b"*/*"))}, False),
        ({"status": 500, "known_trace": TraceContext(ID, None, 2)}, True),
    ],
)
def test_what_was_sampled_or_went_wrong_is_sent(ended: Ended, known: dict[str, Any], is_sent: bool) -> None:
    """As the caller decided, or whoever asked for the trace first; a caller's own mistake is no failure."""
    made = sampling()
    made.ended(ended(**known))
    assert bool(made.waiting) is is_sent


def test_what_nobody_decided_about_is_decided_at_its_end(ended: Ended) -> None:
    """By the share; who is chosen gets a sampled trace then, as whoever asks for it later sees."""
    every, none = sampling(share=1.0), sampling(share=0.0)
    invocation = ended()
    every.ended(invocation)
    assert invocation.known_trace is not None
    assert invocation.known_trace.is_sampled
    assert every.waiting[0].span_id == invocation.span_id
    other = ended()
    none.ended(other)
    assert other.known_trace is None, "ids that nobody needs are not made"
    some = sampling(share=0.25)
    for _ in range(2000):
        some.ended(ended())
    assert 350 < len(some.waiting) < 650


def test_an_id_that_was_given_away_is_the_one_that_is_sent(ended: Ended) -> None:
    """A published event, say, named the span before it ended."""
    made = sampling(share=1.0)
    invocation = ended(origin=Origin(share=1.0))
    named = (invocation.trace.trace_id, invocation.span_id)
    made.ended(invocation)
    assert (made.waiting[0].context.trace_id, made.waiting[0].span_id) == named


@pytest.mark.anyio
async def test_so_many_a_second_are_sent_and_no_more(ended: Ended, clock: ManualClock) -> None:
    """A flood of errors costs no more than that; the next second has room again."""
    made = sampling(most=3)
    for _ in range(10):
        made.ended(ended(status=500))
    assert (len(made.waiting), made.dropped) == (3, 7)
    await clock.advance(1.0)
    made.ended(ended(status=500))
    assert len(made.waiting) == 4


def test_so_many_wait_and_no_more(ended: Ended) -> None:
    """Where the collector is slow."""
    made = sampling(slow=math.inf)
    for _ in range(MOST_WAITING + 10):
        made.ended(ended(status=500))
    assert (len(made.waiting), made.dropped) == (MOST_WAITING, 10)


def test_errors_can_be_left_out(ended: Ended) -> None:
    """Where only what was sampled is wanted."""
    made = sampling(errors=False, slow=math.inf)
    made.ended(ended(status=500, error=FunctionFailed("home"), seconds=60.0))
    assert not made.waiting


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
