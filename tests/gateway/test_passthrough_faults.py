"""Whose fault it is when passing through fails, how long it may take, and what is written down of it."""

from __future__ import annotations

import pytest

from tests.gateway.test_passthrough_streams import gone
from tests.gateway.upstream import Passing, PassingByHand

# --- time and fault -------------------------------------------------------------------------------------------


def test_a_service_that_does_not_answer_in_time_is_504(passing_by_hand: PassingByHand) -> None:
    """At the end of its time and not after it; the record has Envoy's UT."""
    with passing_by_hand.wire() as caller:
        caller.say("GET /hurried/x HTTP/1.1\r\nhost: bff\r\nx-request-id: late-1\r\n\r\n")
        with passing_by_hand.upstream.accept() as service:
            service.hear_request()
            passing_by_hand.advance(0.5)
            answer = caller.hear_answer()
            assert gone(service)
    assert (answer.status, answer.json()["code"], answer.json()["fault"]) == (
        504,
        "service-timed-out",
        "service",
    )
    assert passing_by_hand.record(request_id="late-1").flags == "UT"


def test_a_slow_upload_is_not_the_services_delay(passing_by_hand: PassingByHand) -> None:
    """Its time, 500 ms, begins when the last piece of the body has gone."""
    with passing_by_hand.wire() as caller:
        caller.say("POST /hurried/x HTTP/1.1\r\nhost: bff\r\ncontent-length: 4\r\n\r\n")
        with passing_by_hand.upstream.accept() as service:
            service.hear_request()
            for letter in "abcd":
                passing_by_hand.advance(0.25)
                caller.say(letter)
                assert service.hear_bytes(1) == letter.encode()
            passing_by_hand.advance(0.45)
            service.answer(b"ok")
            assert caller.hear_answer().body == b"ok"


def test_a_caller_who_stops_sending_is_408(passing_by_hand: PassingByHand) -> None:
    """Nobody waits for ever, and it is not the service that is blamed."""
    with passing_by_hand.wire() as caller:
        caller.say("POST /hurried/x HTTP/1.1\r\nhost: bff\r\ncontent-length: 4\r\n\r\nab")
        with passing_by_hand.upstream.accept() as service:
            service.hear_request()
            assert service.hear_bytes(2) == b"ab"
            passing_by_hand.advance(0.3)
            answer = caller.hear_answer()
            assert gone(service)
    assert (answer.status, answer.json()["code"], answer.json()["fault"]) == (408, "body-timed-out", "caller")


def test_a_service_that_falls_silent_in_its_answer_is_cut(passing_by_hand: PassingByHand) -> None:
    with passing_by_hand.wire() as caller:
        caller.say("GET /hurried/x HTTP/1.1\r\nhost: bff\r\nx-request-id: silent-1\r\n\r\n")
        with passing_by_hand.upstream.accept() as service:
            service.hear_request()
            service.say("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc")
            caller.hear_until(b"abc")
            passing_by_hand.advance(0.3)
            assert caller.hear_all() == b""
            assert gone(service)
    record = passing_by_hand.record(request_id="silent-1")
    assert (record.status, str(record.fault)) == (200, "service")


def test_a_service_that_cannot_be_reached_is_503(passing: Passing) -> None:
    since = passing.lines_so_far
    with passing.wire() as caller:
        answer = caller.say("GET /nobody/x HTTP/1.1\r\nhost: bff\r\n\r\n").hear_answer()
    assert (answer.status, answer.json()["code"], answer.json()["service"]) == (
        503,
        "service-unreachable",
        "nobody",
    )
    entry = passing.log(status=503, since=since)
    assert (entry["route"], entry["function"], entry["fault"]) == ("/nobody/{rest:path}", "", "service")
    (call,) = entry["services"]
    assert (call["error"], call["attempts"], call["bytes"]) == ("service-unreachable", 0, 0)
    assert call["endpoint"].startswith("http://127.0.0.1:")
    assert "waited_ms" not in call
    assert entry["flags"] == "UF"


def test_what_passed_is_recorded_as_a_call_is(passing: Passing) -> None:
    """Route template, no function, and the service with its own status: whatever reads records reads this too."""
    since = passing.lines_so_far
    passing.exchange(
        "GET /c/x?secret=1 HTTP/1.1\r\nhost: bff\r\nx-request-id: rec-1\r\n\r\n",
        body=b"short and stout",
        status="418 Teapot",
    )
    entry = passing.log(request_id="rec-1", since=since)
    assert (entry["route"], entry["function"], entry["status"], entry["level"]) == (
        "/c/{rest:path}",
        "",
        418,
        "info",
    )
    (call,) = entry["services"]
    assert (call["service"], call["status"], call["attempts"]) == ("up", 418, 1)
    assert (call["endpoint"], call["bytes"]) == (f"http://127.0.0.1:{passing.upstream.port}", 15)
    assert 0 <= call["waited_ms"] <= call["ms"]
    assert "secret" not in str(entry)
    metrics = passing.client.get(passing.admin + "/metrics").text
    assert 'route="/c/{rest:path}"' in metrics
    assert 'service="up"' in metrics


@pytest.mark.parametrize(
    ("path", "does", "status", "flags"),
    [
        ("/c/closes", "closes", 502, "UC"),
        ("/c/left", "loses its caller", 499, "DC"),
    ],
)
def test_the_log_tells_in_envoys_words_who_broke_off(
    passing: Passing, path: str, does: str, status: int, flags: str
) -> None:
    """The other flags have tests of their own: UF, UT and RL here, UH, UO, URX, FI and DI in tests/services."""
    since = passing.lines_so_far
    with passing.wire() as caller:
        caller.say(f"GET {path} HTTP/1.1\r\nhost: bff\r\n\r\n")
        with passing.upstream.accept() as service:
            service.hear_request()
            if does == "loses its caller":
                caller.close()
                assert gone(service)
        if does == "closes":  # who leaves at once is the one who left, as far as anybody can tell
            assert caller.hear_answer().status == status
    entry = passing.log(status=status, since=since)
    assert entry["flags"] == flags
    assert entry["fault"] == ("caller" if flags == "DC" else "service")


# --- connections ----------------------------------------------------------------------------------------------


def test_connections_to_a_service_are_used_again(passing: Passing) -> None:
    """One after the other on one, across callers."""
    with passing.wire() as first, passing.wire() as second:
        first.say("GET /c/1 HTTP/1.1\r\nhost: bff\r\n\r\n")
        with passing.upstream.accept() as service:
            for number, caller in enumerate((first, second, first), start=1):
                if number > 1:
                    caller.say(f"GET /c/{number} HTTP/1.1\r\nhost: bff\r\n\r\n")
                assert service.hear_request().line == f"GET /{number} HTTP/1.1"
                service.say(f"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{number}")
                assert caller.hear_answer().body == str(number).encode()


def test_pipelined_requests_pass_in_order(passing: Passing) -> None:
    with passing.wire() as caller:
        caller.say("".join(f"GET /c/{number} HTTP/1.1\r\nhost: bff\r\n\r\n" for number in range(3)))
        for number in range(3):
            with passing.upstream.accept() as service:
                assert service.hear_request().line == f"GET /{number} HTTP/1.1"
                service.answer(str(number).encode())
                assert caller.hear_answer().body == str(number).encode()


def test_a_service_that_wants_fewer_requests_is_told_apart(passing: Passing) -> None:
    """429 is an answer, passed on as it is; the log has Envoy's flag for it."""
    since = passing.lines_so_far
    _, answer = passing.exchange(
        "GET /c/limited HTTP/1.1\r\nhost: bff\r\n\r\n", status="429 Too Many Requests"
    )
    assert answer.status == 429
    assert passing.log(status=429, flags="RL", since=since)["services"][0]["status"] == 429


def test_a_service_is_told_how_long_it_is_waited_for(passing: Passing) -> None:
    """The milliseconds that are left of its time; what a caller nobody trusts says of them stays here."""
    claimed = "x-envoy-expected-rq-timeout-ms: 99999\r\n"
    request, _ = passing.exchange(f"GET /c/timed HTTP/1.1\r\nhost: bff\r\n{claimed}\r\n")
    told = request.get("x-envoy-expected-rq-timeout-ms")
    assert told is not None
    assert 1 <= int(told) < 99999
