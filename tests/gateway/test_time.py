"""Deadlines, and callers who do not wait."""

from __future__ import annotations

import socket
import struct
import time

import httpx
import pytest

from tests.conftest import eventually
from tests.gateway.conftest import Served, ServeSamples


@pytest.fixture(scope="module")
def warm(served: Served) -> Served:
    """So that it is the handlers who are late."""
    for path in ("/bare/warm", "/stream?kind=empty", "/sleepy", "/sleepy/sync"):
        served.get(path)
    return served


@pytest.mark.parametrize(
    "path", ["/sleepy", "/sleepy/sync", "/bare/sleeps", "/stream/hurried?kind=slow%20first"]
)
def test_an_answer_that_does_not_come_in_time_is_504(warm: Served, path: str) -> None:
    """Async, in a thread, in an app, before a stream's first item: the caller hears at the deadline, not before it,
    and long before the handler would have answered.
    """
    began = time.monotonic()
    answer = warm.get(path)
    took = time.monotonic() - began
    assert answer.status_code == 504
    assert answer.json()["type"] == "/problems/deadline-exceeded"
    assert "0.3 s" in answer.json()["detail"]
    assert took > 0.28
    line = warm.log(request_id=answer.headers["x-request-id"])
    assert (line["status"], line["fault"]) == (504, "function")


def test_a_body_that_does_not_come_in_time_is_the_callers_408(served: Served) -> None:
    """The deadline runs from the head: a caller that dribbles its body cannot stretch it, and no function is
    blamed for it.
    """
    with served.wire() as wire:
        wire.say("POST /bare/reads HTTP/1.1\r\nhost: bff\r\ncontent-length: 10\r\n\r\nabc")
        answer = wire.hear_until(b"\r\n\r\n")
    assert b" 200 " in answer  # this app does not wait for its body
    with served.wire() as wire:
        wire.say("POST /raw/hurried HTTP/1.1\r\nhost: bff\r\ncontent-length: 10\r\n\r\nabc")
        heard = wire.hear_answer()
    assert (heard.status, heard.json()["code"], heard.json()["fault"]) == (408, "body-timed-out", "caller")


def test_sleeping_threads_do_not_stop_other_routes(served: Served) -> None:
    """A synchronous handler that overslept keeps its thread, and nothing else."""
    served.get("/sleepy/sync")
    assert served.get("/hello").status_code == 200
    assert served.get("/fails/sync?kind=fine").text == "fine"


def test_a_caller_who_leaves_cancels_a_get(served: Served) -> None:
    """Nobody waits for the answer any more: the handler's work is stopped where it stands."""
    with served.wire() as wire:
        wire.say("GET /patient?tag=left HTTP/1.1\r\nhost: bff\r\nx-request-id: left\r\n\r\n")
        eventually(lambda: served.noted("left") == ["began"])
    eventually(lambda: served.noted("left") == ["began", "cancelled"])
    line = served.log(request_id="left")
    assert (line["status"], line["fault"], line["flags"]) == (499, "caller", "DC")


def test_a_caller_who_leaves_does_not_stop_a_post(served: Served) -> None:
    """What may have an effect is finished."""
    with served.wire() as wire:
        wire.say("POST /patient?tag=posted HTTP/1.1\r\nhost: bff\r\nx-request-id: posted\r\n\r\n")
        eventually(lambda: served.noted("posted") == ["began"])
    served.let_go("posted.go")
    eventually(lambda: served.noted("posted") == ["began", "finished"])
    assert served.log(request_id="posted")["route"] == "/patient"


def test_cancel_on_disconnect_stops_a_post_too(served: Served) -> None:
    with served.wire() as wire:
        wire.say("POST /patient/cancelled?tag=asked HTTP/1.1\r\nhost: bff\r\n\r\n")
        eventually(lambda: served.noted("asked") == ["began"])
    eventually(lambda: served.noted("asked") == ["began", "cancelled"])


def test_leaving_with_a_reset_is_noticed_too(served: Served) -> None:
    wire = served.wire()
    wire.say("GET /patient?tag=reset HTTP/1.1\r\nhost: bff\r\n\r\n")
    eventually(lambda: served.noted("reset") == ["began"])
    wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wire.close()
    eventually(lambda: served.noted("reset") == ["began", "cancelled"])


def test_a_patient_caller_gets_its_answer(served: Served) -> None:
    with served.wire() as wire:
        wire.say("GET /patient?tag=waits HTTP/1.1\r\nhost: bff\r\n\r\n")
        eventually(lambda: served.noted("waits") == ["began"])
        served.let_go("waits.go")
        assert wire.hear_answer().body == b"done"


def test_many_who_leave_leave_no_calls_behind(samples: ServeSamples) -> None:
    """After a wave of impatient callers the admin listener counts nothing in flight."""
    running = samples()
    wires = [running.wire() for _ in range(50)]
    for number, wire in enumerate(wires):
        wire.say(f"GET /patient?tag=wave{number} HTTP/1.1\r\nhost: bff\r\n\r\n")
    eventually(lambda: all(running.noted(f"wave{number}") for number in range(50)))
    for wire in wires:
        wire.close()
    eventually(lambda: all("cancelled" in running.noted(f"wave{number}") for number in range(50)))

    def in_flight() -> int:
        functions = httpx.get(f"{running.admin}/v1/functions", trust_env=False, timeout=60).json()
        inside: int = {each["name"]: each["in_flight"] for each in functions}["patient"]
        return inside

    eventually(lambda: in_flight() == 0)  # they are counted out after their handlers have ended


def test_a_trusted_proxy_says_how_long_it_still_waits(samples: ServeSamples) -> None:
    """Envoy's header shortens the deadline; it never prolongs it, and nonsense changes nothing."""
    running = samples("serve", section='  trusted_proxies: ["127.0.0.1"]')
    for said in ("100", "100, 5000", "0100"):
        fields = [("x-envoy-expected-rq-timeout-ms", value) for value in said.split(", ")]
        answer = running.get("/sleepy", headers=fields)
        assert answer.status_code == 504
        assert "0.1 s" in answer.json()["detail"]
    for nonsense in ("900000", "-1", "soon", "1e3", "9" * 30):
        answer = running.get("/sleepy", headers=[("x-envoy-expected-rq-timeout-ms", nonsense)])
        assert "0.3 s" in answer.json()["detail"]


def test_a_caller_cannot_shorten_or_prolong_anything(served: Served) -> None:
    """Nobody is trusted unless routes.yaml says so."""
    answer = served.get("/sleepy", headers={"x-envoy-expected-rq-timeout-ms": "1"})
    assert "0.3 s" in answer.json()["detail"]
