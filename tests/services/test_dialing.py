"""New connections: the order and the pace of attempts, and why none came about."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bff.clock import SystemClock
from bff.services import dialing
from bff.services.dialing import Dialer, Endpoint, endpoint_of, interleaved, is_address
from bff.services.heads import Heads
from bff.services.racing import first_of
from bff.testing.clock import ManualClock, settle

pytestmark = pytest.mark.anyio

V4, V6 = socket.AF_INET, socket.AF_INET6
HEAD_START = 0.25


@pytest.mark.parametrize(
    ("found", "order"),
    [
        ([], []),
        ([(V6, "a"), (V6, "b"), (V4, "c"), (V4, "d")], ["a", "c", "b", "d"]),
        ([(V4, "c"), (V6, "a"), (V6, "b")], ["c", "a", "b"]),
        ([(V4, "c"), (V4, "d"), (V4, "c")], ["c", "d"]),
        ([(V6, "a"), (V4, "b"), (V4, "c"), (V4, "d")], ["a", "b", "c", "d"]),
    ],
)
def test_families_take_turns(found: list[tuple[int, str]], order: list[str]) -> None:
    """RFC 8305 §4: in the resolver's order, the first one's family first, nobody twice."""
    assert interleaved(found) == order


@given(st.lists(st.tuples(st.sampled_from([V4, V6]), st.text("abcdef", min_size=1, max_size=2))))
def test_no_address_is_lost_or_doubled(found: list[tuple[int, str]]) -> None:
    """Whatever a resolver says (of one address being in one family)."""
    unique = {address: family for family, address in found}
    listed = [(unique[address], address) for _, address in found]
    order = interleaved(listed)
    assert sorted(order) == sorted(unique)
    assert not listed or order[0] == listed[0][1]


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("http://users.internal/v1", Endpoint("users.internal", 80)),
        ("https://users.internal", Endpoint("users.internal", 443, True)),
        ("http://10.0.0.1:8080", Endpoint("10.0.0.1", 8080)),
        ("http://[::1]:8080", Endpoint("::1", 8080)),
    ],
)
def test_a_url_names_an_endpoint(url: str, endpoint: Endpoint) -> None:
    """Scheme, host and port; the port of the scheme where none is named."""
    assert endpoint_of(httpx.URL(url)) == endpoint
    assert endpoint_of(httpx.URL(str(endpoint))) == endpoint


@pytest.mark.parametrize(
    ("host", "is_one"), [("10.0.0.1", True), ("::1", True), ("fe80::1%eth0", True), ("a.b", False)]
)
def test_addresses_are_told_from_names(host: str, is_one: bool) -> None:
    """Only names are resolved."""
    assert is_address(host) is is_one


class Race:
    """Attempts that a test decides."""

    def __init__(self, count: int) -> None:
        self.begun: list[int] = []
        self.cancelled: list[int] = []
        self.undone: list[int] = []
        self.outcomes: list[asyncio.Future[int]] = [
            asyncio.get_running_loop().create_future() for _ in range(count)
        ]
        self.clock = ManualClock()

    def attempt(self, number: int) -> Callable[[], Coroutine[Any, Any, int]]:
        async def run() -> int:
            self.begun.append(number)
            try:
                return await asyncio.shield(self.outcomes[number])
            except asyncio.CancelledError:
                self.cancelled.append(number)
                raise

        return run

    def run(self) -> asyncio.Future[int]:
        attempts = [self.attempt(number) for number in range(len(self.outcomes))]
        return asyncio.ensure_future(
            first_of(attempts, clock=self.clock, head_start=HEAD_START, undo=self.undone.append)
        )


async def test_each_attempt_has_a_head_start() -> None:
    """The next begins after a quarter of a second; the first to succeed wins, the others are cancelled."""
    race = Race(3)
    running = race.run()
    await settle()
    assert race.begun == [0]
    await race.clock.advance(HEAD_START)
    assert race.begun == [0, 1]
    race.outcomes[1].set_result(11)
    assert await running == 11
    assert (race.begun, race.cancelled, race.undone) == ([0, 1], [0], [])


async def test_a_failure_lets_the_next_begin_at_once() -> None:
    """A refused connection is no reason to wait."""
    race = Race(2)
    running = race.run()
    await settle()
    race.outcomes[0].set_exception(ConnectionRefusedError())
    await settle()
    assert race.begun == [0, 1]
    race.outcomes[1].set_result(11)
    assert await running == 11


async def test_two_that_succeed_at_once_are_one() -> None:
    """What the other had got is undone."""
    race = Race(2)
    running = race.run()
    await race.clock.advance(HEAD_START)
    race.outcomes[0].set_result(10)
    race.outcomes[1].set_result(11)
    won = await running
    assert {won, *race.undone, *race.cancelled} in ({10, 11}, {10, 1}, {11, 0})


async def test_if_all_fail_every_reason_is_told() -> None:
    """In the order they came."""
    race = Race(2)
    running = race.run()
    await settle()
    race.outcomes[0].set_exception(ConnectionRefusedError("first"))
    await settle()
    race.outcomes[1].set_exception(TimeoutError("second"))
    with pytest.raises(ExceptionGroup) as failure:
        await running
    assert [str(each) for each in failure.value.exceptions] == ["first", "second"]


async def test_a_cancelled_race_leaves_nothing_running() -> None:
    """Every attempt is cancelled and waited for."""
    race = Race(2)
    running = race.run()
    await race.clock.advance(HEAD_START)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert sorted(race.cancelled) == [0, 1]


class Nowhere:
    """A pool that takes no connection."""

    heads = Heads()

    def freed(self, _: Any) -> None:
        raise AssertionError

    def lost(self, _: Any) -> None: ...


def dialer(host: str, port: int, timeout: float = 5) -> Dialer:
    return Dialer(Endpoint(host, port), clock=SystemClock(), timeout=timeout, context=pytest.fail)


async def test_the_address_that_answers_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name with two addresses, of which the first refuses: the second is used, without a wait."""
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    async def both(_self: Any, host: str, _port: int, **_: Any) -> list[Any]:
        assert host == "users.internal"
        return [(V4, 1, 6, "", ("127.0.0.2", port)), (V4, 1, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(type(asyncio.get_running_loop()), "getaddrinfo", both, raising=False)
    async with server:
        connection = await dialer("users.internal", port).dial(Nowhere())
        connection.abort()


async def test_no_address_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each one's reason is among the causes."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(httpx.ConnectError) as failure:
            await dialer("localhost", port).dial(Nowhere())
    cause = failure.value.__cause__
    reasons = cause.exceptions if isinstance(cause, ExceptionGroup) else (cause,)
    assert any(isinstance(reason, ConnectionRefusedError) for reason in reasons)


async def test_dialling_ends_in_time() -> None:
    """An address that never answers: a full backlog here."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        crowd = [socket.socket() for _ in range(4)]
        for each in crowd:
            each.setblocking(False)
            each.connect_ex(full.getsockname())
        with pytest.raises(httpx.ConnectTimeout):
            await dialer("127.0.0.1", full.getsockname()[1], timeout=0.05).dial(Nowhere())
        for each in crowd:
            each.close()


def test_the_head_start_is_the_recommended_one() -> None:
    """RFC 8305 §5."""
    assert dialing.HEAD_START == HEAD_START
