"""The endpoints of a service under calls: who is called, who is out, who has left."""

from __future__ import annotations

import asyncio
from collections import Counter
from random import Random
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bff.config import ServiceConfig
from bff.sdk.callrecord import CallRecord
from bff.sdk.failures import NoHealthyEndpoint, ServiceOverloaded
from bff.services.breaker import State
from bff.services.calm import CalmWire
from bff.services.endpoints import EndpointSet, Member, Moved
from bff.services.policies import policies
from bff.services.resolver import Address
from bff.services.retry import Condition, Failed
from bff.testing.clock import ManualClock

pytestmark = pytest.mark.anyio

BROKEN = Failed(condition=Condition.GATEWAY)


def at(*ports: int) -> list[Address]:
    return [Address(host="10.0.0.1", port=port) for port in ports]


class FakeWire:
    """A wire that knows whether it is closed."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.is_closed = False

    async def exchange(self, *_: Any) -> Any:
        raise AssertionError("nothing is sent here")

    async def aclose(self) -> None:
        self.is_closed = True


class House:
    """A set with its clock, its wires and what it told."""

    def __init__(self, *ports: int, **config: Any) -> None:
        self.clock = ManualClock()
        self.told: list[Moved] = []
        self.wires: list[FakeWire] = []
        self.set = EndpointSet(
            "users",
            policies(ServiceConfig.model_validate({"url": "http://users", **config})),
            self.wire,
            clock=self.clock,
            random=Random(3),
            tell=self.told.append,
        )
        self.set.update(at(*ports))

    def wire(self, address: Address) -> Any:
        self.wires.append(FakeWire(address))
        return self.wires[-1]

    def call(self, member: Member | None = None) -> tuple[Member, int]:
        now = self.clock.now()
        member = member or self.set.choose(now)
        member.active += 1
        return member, member.breaker.enter(now)

    def fail(self, member: Member, times: int = 1) -> None:
        for _ in range(times):
            _, epoch = self.call(member)
            self.set.failed(member, epoch, BROKEN, 0.1, self.clock.now())
            self.set.left(member)


async def test_ten_endpoints_lose_one_and_no_second_one() -> None:
    """Ten percent, whatever the others do; thirty seconds later one call is its probe."""
    house = House(*range(1, 11))
    one, two = house.set.members[:2]
    house.fail(one, 5)
    house.fail(two, 5)
    assert house.told == [Moved(endpoint="10.0.0.1:1", seconds=30.0)]
    assert {house.set.choose(house.clock.now()).name for _ in range(300)} == {
        f"10.0.0.1:{port}" for port in range(2, 11)
    }
    await house.clock.advance(30)
    probe, epoch = house.call()
    assert probe is one
    assert all(house.set.choose(house.clock.now()) is not one for _ in range(100))
    house.set.answered(one, epoch, 0.1, house.clock.now())
    house.set.left(one)
    assert house.told[-1] == Moved(endpoint="10.0.0.1:1", seconds=0.0)
    assert any(house.set.choose(house.clock.now()) is one for _ in range(100))


async def test_below_half_everybody_is_called_again() -> None:
    """Panic: an answer from one that is out brings it back at once."""
    house = House(1, 2, 3, outlier_detection={"max_ejection_percent": 100})
    for member in house.set.members[:2]:
        house.fail(member, 5)
    called = Counter(house.set.choose(house.clock.now()).name for _ in range(300))
    assert len(called) == 3
    first = house.set.members[0]
    _, epoch = house.call(first)
    house.set.answered(first, epoch, 0.1, house.clock.now())
    assert first.breaker.state is State.CLOSED


async def test_one_alone_is_refused_and_says_for_how_long() -> None:
    """There is nobody else; a second later it is asked again."""
    house = House(1)
    house.fail(house.set.members[0], 5)
    with pytest.raises(NoHealthyEndpoint) as refused:
        house.set.choose(house.clock.now())
    assert refused.value.retry_in == pytest.approx(1.0)
    await house.clock.advance(1.0)
    assert house.set.choose(house.clock.now()) is house.set.members[0]


async def test_who_is_left_alone_has_the_breaker_of_one_that_stands_alone() -> None:
    """And no longer once there is another again."""
    house = House(1, 2)
    house.set.update(at(1))
    house.fail(house.set.members[0], 5)
    assert house.told[-1].seconds == 1.0
    house.set.update(at(1, 2))
    await house.clock.advance(100)
    _, epoch = house.call(house.set.members[0])
    house.set.answered(house.set.members[0], epoch, 0.1, house.clock.now())
    await house.clock.advance(100)
    house.fail(house.set.members[0], 5)
    assert house.told[-1].seconds == 30.0


async def test_a_retry_goes_to_one_that_was_not_tried() -> None:
    """As long as there is one."""
    house = House(1, 2, 3)
    one, two, three = house.set.members
    now = house.clock.now()
    assert house.set.choose(now, (one, two)) is three
    assert house.set.choose(now, (one, two, three)) in (one, two, three)


async def test_who_stays_keeps_its_connections_and_who_leaves_loses_them_with_its_last_call() -> None:
    """A change of the list is nothing a running call notices."""
    house = House(1, 2)
    stays, leaves = house.set.members
    wires = stays.wire, leaves.wire
    house.call(leaves)
    house.set.update([Address(host="10.0.0.1", port=1, weight=5.0), *at(3)])
    assert house.set.members[0] is stays
    assert (stays.weight, stays.wire) == (5.0, wires[0])
    await asyncio.sleep(0)
    assert not house.wires[1].is_closed
    house.set.left(leaves)
    await house.set.aclose()
    assert house.wires[1].is_closed
    assert wires[1] is leaves.wire


async def test_a_new_endpoint_starts_slowly_and_the_first_ones_do_not() -> None:
    """Nobody is new to the others at the beginning."""
    house = House(1, 2, balance={"policy": "round_robin", "slow_start": "60s"})
    await house.clock.advance(10)
    house.set.update(at(1, 2, 3))
    called = Counter(house.set.choose(house.clock.now()).name for _ in range(210))
    assert called["10.0.0.1:3"] == 10
    await house.clock.advance(60)
    called = Counter(house.set.choose(house.clock.now()).name for _ in range(300))
    assert called["10.0.0.1:3"] == 100


class Churn(RuleBasedStateMachine):
    """Any list at any time, with calls under way, failures and time."""

    @initialize(percent=st.integers(0, 100))
    def begin(self, percent: int) -> None:
        self.loop = asyncio.new_event_loop()
        self.house = House(1, 2, 3, outlier_detection={"max_ejection_percent": percent, "consecutive_5xx": 2})
        self.running: list[tuple[Member, int]] = []

    def on_loop(self, work: Any) -> Any:
        async def run() -> Any:
            done = work()
            await asyncio.sleep(0)
            return done

        return self.loop.run_until_complete(run())

    @rule(ports=st.sets(st.integers(1, 8), min_size=1))
    def the_list_changes(self, ports: set[int]) -> None:
        self.on_loop(lambda: self.house.set.update(at(*sorted(ports))))
        assert [member.address.port for member in self.house.set.members] == sorted(ports)

    @rule(seconds=st.floats(0, 40))
    def time_passes(self, seconds: float) -> None:
        self.loop.run_until_complete(self.house.clock.advance(seconds))

    @rule()
    def a_call_begins(self) -> None:
        try:
            member = self.house.set.choose(self.house.clock.now())
        except NoHealthyEndpoint:
            assert len(self.house.set.members) == 1
            return
        assert member in self.house.set.members
        member.wire  # noqa: B018 - connections are made
        self.running.append(self.house.call(member))

    @precondition(lambda self: self.running)
    @rule(which=st.integers(0, 50), is_good=st.booleans())
    def a_call_ends(self, which: int, is_good: bool) -> None:
        member, epoch = self.running.pop(which % len(self.running))
        now = self.house.clock.now()

        def end() -> None:
            if is_good:
                self.house.set.answered(member, epoch, 0.1, now)
            else:
                self.house.set.failed(member, epoch, BROKEN, 0.1, now)
            self.house.set.left(member)

        self.on_loop(end)

    @invariant()
    def everybody_is_in_or_out(self) -> None:
        members = self.house.set.members
        assert set(members) == {*self.house.set._usable, *self.house.set._out}
        assert all(member.breaker.state is State.CLOSED for member in self.house.set._usable)

    @invariant()
    def nobody_who_is_called_is_closed(self) -> None:
        closed = {wire.address.port for wire in self.house.wires if wire.is_closed}
        for member, _ in self.running:
            if member.is_leaving:
                continue
            assert member.address.port not in closed or not member._wire.is_closed  # type: ignore[union-attr]

    def teardown(self) -> None:
        for member, _ in self.running:
            self.on_loop(lambda member=member: self.house.set.left(member))
        self.on_loop(lambda: self.house.set.update([]))
        self.loop.run_until_complete(self.house.set.aclose())
        assert all(wire.is_closed for wire in self.house.wires)
        self.loop.close()


TestChurn = Churn.TestCase
TestChurn.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


class Crowded(FakeWire):
    """No connection of its pool is free."""

    async def exchange(self, *_: Any) -> Any:
        raise ServiceOverloaded("users")


async def test_a_call_that_got_no_connection_says_nothing_of_the_endpoint() -> None:
    """Neither is the row of failures over, nor a half-open breaker closed; and the next call may be the probe."""
    house = House(1, 2)
    asked = policies(ServiceConfig.model_validate({"url": "http://users"}))
    house.set = EndpointSet("users", asked, Crowded, clock=house.clock, random=Random(3))
    house.set.update(at(1, 2))
    sick = house.set.members[0]
    for _ in range(5):
        house.fail(sick)
    await house.clock.advance(31)
    wire = CalmWire("users", asked, house.set, clock=house.clock, random=Random(3), timeout_header="x-ms")
    record = CallRecord("users", "GET", "/", house.clock.now(), until=house.clock.now() + 5)
    with pytest.raises(ServiceOverloaded):
        await wire.exchange("GET", "/", {}, {}, record)
    assert (sick.breaker.state, sick.breaker.probing, sick.active) == (State.HALF_OPEN, False, 0)
    assert record.flags == "UO"
