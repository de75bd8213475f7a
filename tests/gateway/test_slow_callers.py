"""Callers who half-send and wait: they change nothing for others, and are gone in the configured time."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import pytest

from tests.conftest import Heard, Wire, eventually
from tests.gateway.conftest import Served, ServeSamples

HALVES = {
    "nothing": b"",
    "a word": b"GE",
    "a line": b"GET /hello HTTP/1.1\r\n",
    "a head": b"POST /item HTTP/1.1\r\nhost: bff\r\ncontent-type: application/json\r\nx: y",
    "half a body": b"POST /item HTTP/1.1\r\nhost: bff\r\ncontent-type: application/json\r\ncontent-length: 20\r\n\r\n{",
    "half a chunk": b"POST /item HTTP/1.1\r\nhost: bff\r\ncontent-type: application/json\r\n"
    b"transfer-encoding: chunked\r\n\r\n5\r\n{",
}
WITHIN = 20.0
"""Seconds a loaded machine may take for what takes one."""


@pytest.fixture(scope="module")
def impatient(module_samples: ServeSamples) -> Served:
    return module_samples("serve", section="  body_timeout: 300ms\n")


@contextlib.contextmanager
def half_open(served: Served, said: bytes, count: int) -> Iterator[list[Wire]]:
    with contextlib.ExitStack() as wires:
        opened = [wires.enter_context(served.wire()) for _ in range(count)]
        for wire in opened:
            wire.say(said)
        yield opened


def test_two_hundred_half_sent_requests_change_nothing_for_others_and_are_gone(impatient: Served) -> None:
    """Every kind of half at once; the others are answered meanwhile, and then there is room again."""
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        wires = [
            wire
            for said in HALVES.values()
            for wire in stack.enter_context(half_open(impatient, said, 200 // len(HALVES) + 1))
        ]
        assert len(wires) > 200
        for _ in range(20):
            assert impatient.get("/hello").status_code == 200
        heard = [wire.hear_all() for wire in wires]
    assert time.monotonic() - began < WITHIN
    statuses = {Heard.parse(said).status if said else None for said in heard}
    assert statuses == {None, 408}, "whoever had begun is told why"
    assert impatient.get("/hello").status_code == 200


@pytest.mark.parametrize("half", ["half a body", "half a chunk"])
def test_a_body_that_stops_is_408_and_blames_the_caller(impatient: Served, half: str) -> None:
    heard = Heard.parse(impatient.say(HALVES[half]))
    assert (heard.status, heard.json()["code"]) == (408, "body-timed-out")
    assert heard.headers["connection"] == "close"


def test_a_body_that_goes_on_may_take_its_time(impatient: Served) -> None:
    """Each piece is another chance, up to the request's deadline."""
    body = b'{"name": "lamp"}'
    with impatient.wire() as wire:
        wire.say(HALVES["half a body"].replace(b"20", b"%d" % len(body)).removesuffix(b"{"))
        for at in range(len(body)):
            wire.say(body[at : at + 1])
            time.sleep(0.05)  # its slowness is the story
        assert wire.hear_answer().status == 200


def test_connections_past_the_limit_are_told_so_and_room_comes_back(samples: ServeSamples) -> None:
    """The others are silent meanwhile, and may be: a limit that is about to end them would give their room back."""
    served = samples(section="  max_connections: 8\n", head_timeout="60s")
    with half_open(served, b"", 8):
        for _ in range(20):
            heard = Heard.parse(served.say(b""))
            assert (heard.status, heard.json()["code"]) == (503, "too-many-connections")
            assert heard.headers["retry-after"] == "1"
    eventually(lambda: served.get("/hello").status_code == 200)
    assert len([line for line in served.output.splitlines() if "too many connections" in line]) < 20
