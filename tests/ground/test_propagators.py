"""Traces of callers who speak B3 or Jaeger go on, and services are told in these where that is wanted."""

from __future__ import annotations

import pytest

from bff.trace import FIELDS, Origin, TraceContext, parse
from bff.trace.context import is_chosen
from bff.trace.propagators import WRITERS, WRITTEN, Told, read, respanned

ID = "80f198ee56343ba864fe8b2a57d3eff7"
SHORT = "64fe8b2a57d3eff7"
SPAN = "e457b5a2e4d86bd1"
PARENT = "05e3ac9a4f6e3b90"
UP = f"00-{ID}-{SPAN}-01".encode()


def b3(text: str) -> list[tuple[bytes, bytes]]:
    return [(b"accept", b"*/*"), (b"b3", text.encode())]


def multi(**fields: str) -> list[tuple[bytes, bytes]]:
    return [(f"x-b3-{name}".encode(), value.encode()) for name, value in fields.items()]


def uber(text: str) -> list[tuple[bytes, bytes]]:
    return [(b"uber-trace-id", text.encode())]


@pytest.mark.parametrize(
    ("headers", "trace_id", "parent", "sampled"),
    [
        (b3(f"{ID}-{SPAN}-1-{PARENT}"), ID, SPAN, True),
        (b3(f"{ID}-{SPAN}-1"), ID, SPAN, True),
        (b3(f"{ID}-{SPAN}-0"), ID, SPAN, False),
        (b3(f"{ID}-{SPAN}-d"), ID, SPAN, True),
        (b3(f"{ID}-{SPAN}"), ID, SPAN, None),
        (b3(f"{SHORT}-{SPAN}-1"), "0" * 16 + SHORT, SPAN, True),
        (b3("0"), "", "", False),
        (b3("1"), "", "", True),
        (b3("d"), "", "", True),
        (multi(traceid=ID, spanid=SPAN, parentspanid=PARENT, sampled="1"), ID, SPAN, True),
        (multi(traceid=ID, spanid=SPAN, sampled="0"), ID, SPAN, False),
        (multi(traceid=ID, spanid=SPAN, sampled="true"), ID, SPAN, True),
        (multi(traceid=ID, spanid=SPAN, flags="1"), ID, SPAN, True),
        (multi(traceid=SHORT, spanid=SPAN), "0" * 16 + SHORT, SPAN, None),
        (multi(sampled="0"), "", "", False),
        (uber(f"{ID}:{SPAN}:0:1"), ID, SPAN, True),
        (uber(f"{ID}:{SPAN}:{PARENT}:0"), ID, SPAN, False),
        (uber(f"{ID}:{SPAN}:0:3"), ID, SPAN, True),
        (uber("abc:1f:0:1"), "abc".zfill(32), "1f".zfill(16), True),
        (uber(f"{ID}%3A{SPAN}%3A0%3A1"), ID, SPAN, True),
        ([*b3(f"{ID}-{SPAN}-1"), *multi(traceid=SHORT, spanid=PARENT)], ID, SPAN, True),
        ([*b3("nonsense"), *multi(traceid=ID, spanid=SPAN)], ID, SPAN, None),
        ([*multi(traceid=ID), *uber(f"{ID}:{SPAN}:0:1")], ID, SPAN, True),
    ],
)
def test_what_they_say_is_read(
    headers: list[tuple[bytes, bytes]], trace_id: str, parent: str, sampled: bool | None
) -> None:
    """Ids are padded to W3C's length; who leaves the decision to us is heard, too. One field comes before several,
    both before Jaeger's.
    """
    assert read(headers) == Told(trace_id=trace_id, parent_id=parent, is_sampled=sampled)


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"accept", b"*/*"), (b"b", b"1")],
        *map(
            b3,
            (
                "",
                "2",
                f"{ID}",
                f"{ID}-",
                f"{ID.upper()}-{SPAN}",
                f"{ID}-{SPAN}-2",
                f"{ID[:-1]}-{SPAN}",
                "true",
            ),
        ),
        *map(b3, (f"{'0' * 32}-{SPAN}-1", f"{ID}-{'0' * 16}-1", f"{ID}-{SPAN}-1-{PARENT}-x")),
        [*b3(f"{ID}-{SPAN}-1"), *b3(f"{ID}-{SPAN}-1")],
        multi(traceid=ID),
        multi(spanid=SPAN, sampled="1"),
        multi(traceid="0" * 32, spanid=SPAN),
        multi(traceid=ID, spanid=SPAN[:-1]),
        multi(sampled="maybe"),
        *map(
            uber,
            ("", f"{ID}:{SPAN}:0", f"{ID}:{SPAN}:0:1:1", f"0:{SPAN}:0:1", f"{ID}:0:0:1", f"{ID}:{SPAN}:0:g"),
        ),
        [*uber(f"{ID}:{SPAN}:0:1"), *uber(f"{ID}:{SPAN}:0:1")],
    ],
)
def test_what_cannot_be_read_is_as_good_as_nothing(headers: list[tuple[bytes, bytes]]) -> None:
    """Nothing is guessed."""
    assert read(headers) is None


@pytest.mark.parametrize("style", ["b3", "b3multi", "jaeger"])
@pytest.mark.parametrize("flags", [0, 1, 3])
def test_what_is_written_is_read_again(style: str, flags: int) -> None:
    """The same trace under our span, with the decision; a caller's own words of that kind are gone."""
    fields = {name.decode(): "a caller's" for name in WRITTEN[style]}
    WRITERS[style](fields, TraceContext(ID, PARENT, flags), SPAN)
    assert "a caller's" not in fields.values()
    assert set(fields) <= FIELDS
    encoded = [(name.encode(), value.encode()) for name, value in fields.items()]
    assert read(encoded) == Told(trace_id=ID, parent_id=SPAN, is_sampled=bool(flags & 1))


def test_another_attempt_is_another_span_in_every_format() -> None:
    """One span id in all of them, and nothing else changes."""
    fields = {"x-a": SPAN}
    TraceContext(ID, PARENT, 1, "a=1", ("b3", "b3multi", "jaeger")).write(fields, SPAN)
    again = respanned(fields, "1" * 16)
    changed = {"traceparent", "b3", "x-b3-spanid", "uber-trace-id"}
    for name, value in fields.items():
        assert again[name] == (value.replace(SPAN, "1" * 16) if name in changed else value)
    assert respanned({"traceparent": "a service's own"}, SPAN) == {"traceparent": "a service's own"}


def test_the_callers_trace_goes_on_with_its_state() -> None:
    """Of a future version too; ``tracestate`` counts with a valid ``traceparent`` only (§3.3)."""
    states = [(b"tracestate", b"a=1"), (b"tracestate", b"b=2")]
    assert Origin().of(UP, states) == TraceContext(ID, SPAN, 1, "a=1,b=2")
    assert Origin().of(f"cc-{ID}-{SPAN}-01-more".encode(), states).state == "a=1,b=2"
    restarted = Origin().of(b"00-nonsense", states)
    assert (restarted.state, restarted.parent_id, restarted.flags) == ("", None, 2)
    assert Origin().of(b"", states).trace_id != ID
    written = Origin(writes=("b3",)).of(UP, states)
    assert (written.state, written.writes) == ("a=1,b=2", ("b3",))


def test_a_valid_traceparent_comes_before_all_others() -> None:
    """Without one, or with one that cannot be read, theirs is taken."""
    others = b3(f"{ID}-{PARENT}-0")
    assert Origin().of(UP, others) == parse(UP)
    for none in (None, b"", b"nonsense"):
        assert Origin().of(none, others) == TraceContext(ID, PARENT, 0)


def test_who_decides_whether_to_sample() -> None:
    """The caller, if it is believed; else we, by the trace id, so that all gateways decide alike."""
    everything, nothing = Origin(share=1.0), Origin(share=0.0)
    assert everything.of(None).is_sampled
    assert not nothing.of(None).is_sampled
    assert not everything.of(UP.replace(b"-01", b"-00")).is_sampled
    assert nothing.of(UP).is_sampled
    deaf = Origin(share=0.0, honours=False)
    assert not deaf.of(UP).is_sampled
    assert not deaf.of(None, b3(f"{ID}-{SPAN}-d")).is_sampled
    assert Origin(share=1.0, honours=False).of(None, b3("0")).is_sampled
    assert everything.of(None, b3(f"{ID}-{SPAN}")).is_sampled
    assert not nothing.of(None, b3(f"{ID}-{SPAN}")).is_sampled
    assert nothing.of(None, b3("1")).is_sampled
    assert not everything.of(None, b3("0")).is_sampled


def test_the_random_flag_goes_on_as_it_came() -> None:
    """Level 2 §3.2.2.5.2: it speaks of the trace id, which stays; ids of other formats do not say so."""
    for flags in (0, 1, 2, 3):
        got = Origin().of(f"00-{ID}-{SPAN}-{flags:02x}".encode())
        assert got.child(SPAN).endswith(f"-{flags:02x}")
    assert Origin(share=1.0, honours=False).of(f"00-{ID}-{SPAN}-02".encode()).flags == 3
    assert Origin().of(None, b3(f"{ID}-{SPAN}-1")).flags == 1


def test_a_share_is_a_share_of_all_ids() -> None:
    """By the last 56 bits; a greater share has the lesser one's traces among it."""
    last = (1 << 56) - 1
    assert is_chosen(last, 0.01)
    assert not is_chosen(0, 0.99)
    assert is_chosen(0, 1.0)
    assert is_chosen((1 << 127) | int(0.9 * last), 0.2)
    assert not is_chosen((1 << 127) | int(0.9 * last), 0.05)
    sampled = sum(Origin(share=0.25).of(None).is_sampled for _ in range(4000))
    assert 800 < sampled < 1200
