"""Callers who half-send and wait: they change nothing for others, and are gone in the configured time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from bff.config import GatewayConfig
from bff.gateway.limits import HeadLimits
from tests.conftest import Heard, Wire, eventually
from tests.gateway.byhand import ByHand, gateway_by_hand
from tests.gateway.conftest import Served, ServeSamples, lay_out

HALVES = {
    "nothing": b"",
    "a word": b"GE",
    "a line": b"GET /hello HTTP/1.1\r\n",
    "a head": b"POST /item HTTP/1.1\r\nhost: bff\r\ncontent-type: application/json\r\nx: y",
    "half a body": b"POST /item HTTP/1.1\r\nhost: bff\r\ncontent-type: application/json\r\ncontent-length: 20\r\n\r\n{",
    "half a chunk": b"POST /item HTTP/1.1\r\nhost: bff\r\ncontent-type: application/json\r\n"
    b"transfer-encoding: chunked\r\n\r\n5\r\n{",
}
LIMIT = 0.3
"""Seconds that heads and bodies have, by the clock of ``by_hand``."""


@contextlib.contextmanager
def half_open(served: Served | ByHand, said: bytes, count: int) -> Iterator[list[Wire]]:
    with contextlib.ExitStack() as wires:
        opened = [wires.enter_context(served.wire()) for _ in range(count)]
        for wire in opened:
            wire.say(said)
        yield opened


def test_two_hundred_half_sent_requests_change_nothing_for_others_and_are_gone(by_hand: ByHand) -> None:
    """Every kind of half at once; the others are answered meanwhile, and none is there once its time is over."""
    with contextlib.ExitStack() as stack:
        wires = [
            wire
            for said in HALVES.values()
            for wire in stack.enter_context(half_open(by_hand, said, 200 // len(HALVES) + 1))
        ]
        assert len(wires) > 200
        for _ in range(20):
            assert by_hand.get("/hello").status_code == 200
        by_hand.advance(2 * LIMIT)  # silence within a body is noticed within twice its time
        heard = [wire.hear_all() for wire in wires]
    statuses = {Heard.parse(said).status if said else None for said in heard}
    assert statuses == {None, 408}, "whoever had begun is told why"
    assert by_hand.get("/hello").status_code == 200


@pytest.mark.parametrize("half", ["half a body", "half a chunk"])
def test_a_body_that_stops_is_408_and_blames_the_caller(by_hand: ByHand, half: str) -> None:
    with by_hand.wire() as wire:
        wire.say(HALVES[half])
        by_hand.advance(2 * LIMIT)
        heard = Heard.parse(wire.hear_all())
    assert (heard.status, heard.json()["code"]) == (408, "body-timed-out")
    assert heard.headers["connection"] == "close"


def test_a_body_that_goes_on_may_take_its_time(by_hand: ByHand) -> None:
    """Each piece is another chance, up to the request's deadline."""
    body = b'{"name": "lamp"}'
    with by_hand.wire() as wire:
        wire.say(HALVES["half a body"].replace(b"20", b"%d" % len(body)).removesuffix(b"{"))
        for at in range(len(body)):
            wire.say(body[at : at + 1])
            by_hand.advance(LIMIT * 0.9)
        assert wire.hear_answer().status == 200


def test_connections_past_the_limit_are_told_so_and_room_comes_back(samples: ServeSamples) -> None:
    """The others are silent meanwhile, and may be: a limit that is about to end them would give their room back."""
    served = samples(section="  max_connections: 8\n")
    with half_open(served, b"", 8):
        for _ in range(20):
            heard = Heard.parse(served.say(b""))
            assert (heard.status, heard.json()["code"]) == (503, "too-many-connections")
            assert heard.headers["retry-after"] == "1"
    eventually(lambda: served.get("/hello").status_code == 200)
    assert len([line for line in served.output.splitlines() if "too many connections" in line]) < 20


def test_one_address_cannot_take_every_place(tmp_path: Path) -> None:
    """Time stands still, so that nobody's place is given back for its silence."""
    folder = lay_out(tmp_path / "samples", "  max_connections_per_address: 3\n")
    with gateway_by_hand(folder) as gateway:
        with half_open(gateway, b"GET /hello HTTP/1.1\r\n", 3), gateway.wire() as one_more:
            heard = Heard.parse(one_more.hear_all())
            assert (heard.status, heard.json()["code"]) == (503, "too-many-connections")
        eventually(lambda: gateway.get("/hello").status_code == 200)


def test_a_trusted_proxy_may_have_as_many_as_it_likes(tmp_path: Path) -> None:
    section = "  max_connections_per_address: 3\n  trusted_proxies: [127.0.0.1]\n"
    with gateway_by_hand(lay_out(tmp_path / "samples", section)) as gateway, half_open(gateway, b"", 3):
        assert gateway.get("/hello").status_code == 200


def test_each_limit_of_the_section_is_a_connection_s() -> None:
    """What each does is told elsewhere, on the protocol; none stands in for another, after a reload neither."""
    said = GatewayConfig(max_head=4096, head_timeout=1.0, body_timeout=2.0, write_timeout=3.0, max_target=5)
    made, changed = HeadLimits.of(said), HeadLimits.of(GatewayConfig())
    assert made == HeadLimits(size=4096, seconds=1.0, stalled=3.0, target=5, body=2.0)
    assert changed != made
    changed.take_over(made)
    assert changed == made
