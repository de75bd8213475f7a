"""W3C traceparent: read strictly, minted well, written back."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bff import trace

ID = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
HEX = st.text("0123456789abcdef", min_size=32, max_size=32)


@pytest.mark.parametrize(
    ("header", "flags"),
    [
        (f"00-{ID}-{PARENT}-00", 0),
        (f"00-{ID}-{PARENT}-01", 1),
        (f"00-{ID}-{PARENT}-02", 2),
        (f"00-{ID}-{PARENT}-03", 3),
        (f"00-{ID}-{PARENT}-ff", 3),
        (f" \t00-{ID}-{PARENT}-01 ", 1),
        (f"01-{ID}-{PARENT}-01", 1),
        (f"cc-{ID}-{PARENT}-01-what-the-future-adds", 1),
        (f"fe-{ID}-{PARENT}-01-", 1),
    ],
)
def test_a_valid_header_is_read(header: str, flags: int) -> None:
    """Of the flags only sampled and random are known; a future version is read by its first four fields."""
    assert trace.parse(header.encode()) == trace.TraceContext(ID, PARENT, flags)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "00",
        f"ff-{ID}-{PARENT}-01",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{ID}-{'0' * 16}-01",
        f"00-{ID.upper()}-{PARENT}-01",
        f"00-{ID}-{PARENT.upper()}-01",
        f"0A-{ID}-{PARENT}-01",
        f"00-{ID}-{PARENT}-0A",
        f"00-{ID}-{PARENT}-01-more",
        f"00-{ID}-{PARENT}-01-",
        f"01-{ID}-{PARENT}-01x",
        f"00-{ID}-{PARENT}",
        f"00-{ID}-{PARENT}-1",
        f"00-{ID}-{PARENT}-001",
        f"00-{ID[:-1]}-{PARENT}-01",
        f"00-{ID}0-{PARENT}-01",
        f"00-{ID}-{PARENT}0-01",
        f"0-{ID}-{PARENT}-01",
        f"00_{ID}_{PARENT}_01",
        f"00-{ID}-{PARENT}-01, 00-{ID}-{PARENT}-01",
        f"01-{ID}-{PARENT}-01-\n",
        f"00-{'g' * 32}-{PARENT}-01",
        f"00-{'٣' * 32}-{PARENT}-01",
    ],
)
def test_an_invalid_header_is_as_good_as_none(header: str) -> None:
    """The trace restarts; nothing is guessed."""
    assert trace.parse(header.encode()) is None


@given(st.binary(max_size=80))
def test_no_bytes_make_it_fail(header: bytes) -> None:
    """Whatever comes is a context or None."""
    found = trace.parse(header)
    assert found is None or re.fullmatch(r"[0-9a-f]{32}", found.trace_id)


@given(HEX.filter(lambda text: text.strip("0")), st.integers(0, 255))
def test_what_is_written_is_read_again(trace_id: str, flags: int) -> None:
    """``child`` makes the header of a call: same trace, own span, the flags that are known."""
    context = trace.TraceContext(trace_id, None, flags & 3)
    span = trace.new_span_id()
    assert trace.parse(context.child(span).encode()) == trace.TraceContext(trace_id, span, flags & 3)


def test_a_trace_that_begins_here_is_random_and_not_sampled() -> None:
    """Thirty-two hex digits, no parent, the random flag of level 2."""
    begun = {trace.begin() for _ in range(100)}
    assert len({each.trace_id for each in begun}) == 100
    for each in begun:
        assert re.fullmatch(r"[0-9a-f]{32}", each.trace_id)
        assert each.trace_id.strip("0")
        assert (each.parent_id, each.flags) == (None, 2)


def test_span_ids_are_sixteen_digits_and_differ() -> None:
    """Never all zero."""
    spans = {trace.new_span_id() for _ in range(1000)}
    assert len(spans) == 1000
    assert all(re.fullmatch(r"[0-9a-f]{16}", span) and span.strip("0") for span in spans)
