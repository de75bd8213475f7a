"""Server-sent events over real sockets."""

from __future__ import annotations

import signal

import pytest

from bff.gateway.streaming import GRACE
from tests.conftest import eventually
from tests.gateway.byhand import ByHand
from tests.gateway.conftest import Served, ServeSamples


def test_each_event_has_its_fields_and_the_head_keeps_proxies_from_waiting(served: Served) -> None:
    answer = served.get("/events")
    assert answer.headers["content-type"] == "text/event-stream"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-accel-buffering"] == "no"
    assert answer.headers["bff-revision"]
    assert answer.text == "".join(
        f'event: tick\nid: {number}\nretry: 50\ndata: {{"number":{number}}}\n\n' for number in (1, 2, 3)
    )


def test_a_browser_that_comes_back_goes_on_where_it_was(served: Served) -> None:
    answer = served.get("/events", headers={"last-event-id": "7"})
    assert [line for line in answer.text.split("\n") if line.startswith("id")] == ["id: 8", "id: 9", "id: 10"]


def test_silence_is_filled_with_comments_and_ended_by_the_next_event(served: Served) -> None:
    """The heartbeat is the silence's: the generator is not disturbed."""
    with served.client.stream("GET", "/events?kind=waits&tag=beats") as answer:
        lines = answer.iter_lines()
        beats = 0
        for line in lines:
            beats += line == ":"
            if beats == 2:
                served.let_go("beats")
            if line == "data: at last":
                break
        assert beats >= 2
        assert [line for line in lines if line.strip(":")] == []
    assert (served.notes / "beats.closed").exists()


def test_the_head_does_not_wait_for_the_first_event(by_hand: ByHand) -> None:
    """``EventSource`` fires ``open``; the route's deadline is over by then, and means the beginning only."""
    with by_hand.wire() as wire:
        wire.say("GET /events/hurried?kind=silent&tag=silent HTTP/1.1\r\nhost: bff\r\n\r\n")
        eventually((by_hand.notes / "silent.began").exists)
        by_hand.advance(GRACE)
        assert wire.hear_answer(head_only=True).status == 200
        by_hand.advance(1)  # five times its deadline
        wire.hear_until(b":\n")
        (by_hand.notes / "silent").touch()
        wire.hear_until(b"id: 3\n")


def test_what_fails_before_the_first_event_is_a_problem(served: Served) -> None:
    assert served.get("/events?kind=refused").status_code == 409
    assert served.get("/events?kind=late&tag=late").status_code == 504  # its own TimeoutError is no silence


def test_a_stream_without_events_is_one_all_the_same(served: Served) -> None:
    answer = served.get("/events?kind=none")
    assert (answer.status_code, answer.headers["content-type"], answer.text) == (200, "text/event-stream", "")


def test_head_tells_the_fields_and_ends_the_generator(served: Served) -> None:
    answer = served.client.head("/events?kind=waits&tag=headed-events")
    assert (answer.headers["content-type"], answer.content) == ("text/event-stream", b"")
    eventually((served.notes / "headed-events.closed").exists)


def test_a_caller_who_leaves_ends_the_generator_and_its_finally_is_awaited(served: Served) -> None:
    with served.wire() as wire:
        wire.say("GET /events?kind=waits&tag=left HTTP/1.1\r\nhost: bff\r\n\r\n")
        wire.hear_until(b"id: 3\n")
    eventually((served.notes / "left.closed").exists)


def test_a_caller_who_does_not_read_holds_little(served: Served) -> None:
    """One event is made ahead, no more."""
    served.get("/hello")
    before = served.rss()
    with served.wire() as wire:
        wire.say("GET /events?kind=endless&tag=unread HTTP/1.1\r\nhost: bff\r\n\r\n")
        wire.hear_until(b"\r\n\r\n")
        for _ in range(20):
            assert served.get("/hello").status_code == 200
        assert served.rss() - before < 20_000_000


@pytest.mark.parametrize(
    ("accept", "kind", "first"),
    [
        ("text/event-stream", "text/event-stream", 'data: {"number":0}'),
        ("application/x-ndjson", "application/x-ndjson", '{"number":0}'),
        ("*/*", "application/x-ndjson", '{"number":0}'),
    ],
)
def test_objects_are_lines_or_events_as_the_caller_likes(
    served: Served, accept: str, kind: str, first: str
) -> None:
    answer = served.get("/stream/sync?count=2", headers={"accept": accept})
    assert answer.headers["content-type"] == kind
    assert answer.text.split("\n")[0] == first


def test_shutdown_ends_them_in_peace_and_does_not_wait(samples: ServeSamples) -> None:
    """The body is whole, so that the browser comes back at once; drain_timeout is for those who come to an end."""
    served = samples("serve", drain="60s")
    with served.client.stream("GET", "/events?kind=waits&tag=drained") as answer:
        lines = answer.iter_lines()
        assert any(line == "id: 3" for line in lines)
        served.process.send_signal(signal.SIGTERM)
        rest = list(lines)  # ends without an error
        assert [line for line in rest if line.startswith("data") and "last" in line] == []
    assert served.process.wait(20) == 0
    assert (served.notes / "drained.closed").exists()


def test_the_stream_ends_in_peace_when_its_time_is_over(by_hand: ByHand) -> None:
    """After its third event and half a dozen heartbeats; the body is whole."""
    with by_hand.wire() as wire:
        wire.say("GET /events/short?kind=waits&tag=short HTTP/1.1\r\nhost: bff\r\n\r\n")
        assert wire.hear_answer(head_only=True).status == 200
        wire.hear_until(b"id: 3\n")
        by_hand.advance(0.31)
        assert b"last" not in wire.hear_until(b"\r\n0\r\n\r\n")
