"""Who is counted together, what is told of it, and how much of it is remembered."""

from __future__ import annotations

import sys

import anyio
import pytest

from bff.config.limits import LimitConfig, LimitsConfig
from bff.gateway.door.buckets import BucketsAway, MemoryBuckets
from bff.gateway.door.failures import LimitsUnavailable, TooManyRequests
from bff.gateway.door.limiting import Limiting
from bff.gateway.door.ratelimit import Limit, fields, partition
from bff.sdk.caller import NOBODY, Caller
from bff.sdk.gcra import Rate
from bff.sdk.invocation import Invocation
from bff.signals import LimitsLost, LimitsReturned, Signal
from bff.testing.clock import ManualClock

ADA = Caller(subject="ada", scheme="users", claims={"tenant": "north"})
BOB = Caller(subject="bob", scheme="users", claims={"tenant": "north"})
KEY = Caller(subject="ada", scheme="partners")


@pytest.mark.parametrize(
    ("address", "same"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff"),
        ("2001:db8:1:2::1%eth0", "2001:db8:1:2::9"),
    ],
)
def test_an_ipv6_subscriber_is_its_64(address: str, same: str) -> None:
    assert partition(address) == partition(same)


def test_neighbours_are_others() -> None:
    seen = {partition(each) for each in ("192.0.2.7", "192.0.2.8", "2001:db8:1:2::1", "2001:db8:1:3::1", "")}
    assert len(seen) == 5


def limit(route: str = "/a", **said: object) -> Limit:
    return Limit("api", LimitConfig.model_validate({"requests": 10, **said}), route)


def test_callers_are_told_apart_by_who_they_are_and_nobody_by_address() -> None:
    by_caller = limit(per="caller")
    assert by_caller.key("192.0.2.1", ADA) == by_caller.key("192.0.2.2", ADA)
    keys = {by_caller.key("192.0.2.1", who) for who in (ADA, BOB, KEY, NOBODY)}
    assert len(keys | {by_caller.key("192.0.2.2", NOBODY)}) == 5
    assert by_caller.needs_caller


def test_addresses_routes_and_claims_are_told_apart_where_that_is_asked() -> None:
    by_address = limit(per="address")
    assert (
        by_address.key("192.0.2.1", ADA)
        == by_address.key("192.0.2.1", BOB)
        == by_address.key("192.0.2.1", NOBODY)
    )
    assert not by_address.needs_caller
    assert limit("/a", per=["address", "route"]).key("x", ADA) != limit("/b", per=["address", "route"]).key(
        "x", ADA
    )
    assert limit("/a", per="address").key("x", ADA) == limit("/b", per="address").key("x", ADA)
    tenant = limit(per=[], claim="tenant")
    assert tenant.key("x", ADA) == tenant.key("y", BOB)
    assert tenant.key("x", ADA) != tenant.key("x", KEY)
    assert tenant.needs_caller


def test_no_caller_can_be_taken_for_another_by_the_letters_of_its_name() -> None:
    by_both = limit(per=["caller", "address"])
    one = Caller(subject="a\nb", scheme="s")
    other = Caller(subject="b", scheme="s")
    assert by_both.key("x", one) != by_both.key("x\ns:a", other)
    long = Caller(subject="x" * 10_000, scheme="s")
    assert len(limit().key("", long)) < 200


def test_the_fields_are_the_drafts() -> None:
    async def told() -> list[tuple[bytes, bytes]]:
        clock = ManualClock()
        buckets = MemoryBuckets(10, clock=clock)
        limits = [limit(window=60.0), Limit("day", LimitConfig(requests=50, window=86400.0, burst=5), "/a")]
        verdicts = await buckets.take([(each.name, each.rate) for each in limits])
        return list(fields(limits, verdicts))

    assert anyio.run(told) == [
        (b"ratelimit-policy", b'"api";q=10;w=60, "day";q=50;w=86400'),
        (b"ratelimit", b'"api";r=9;t=6, "day";r=4;t=1728'),
    ]


def test_what_is_refused_by_one_is_taken_from_none() -> None:
    buckets = MemoryBuckets(10, clock=ManualClock())
    wide, narrow = ("wide", Rate(interval=1.0, burst=5)), ("narrow", Rate(interval=1.0, burst=1))
    assert [each.is_allowed for each in buckets.take_now([wide, narrow])] == [True, True]
    for _ in range(9):
        assert [each.is_allowed for each in buckets.take_now([wide, narrow])] == [True, False]
    assert buckets.take_now([wide])[0].remaining == 3


def test_a_hundred_thousand_addresses_take_a_bounded_room() -> None:
    """Whoever has that many gets no more of it; what was asked lately is remembered."""
    buckets = MemoryBuckets(20_000, clock=ManualClock())
    rate = Rate(interval=60.0, burst=2)
    for number in range(100_000):
        buckets.take_now([(f"api\n\n@2001:db8::{number:x}", rate)])
    assert len(buckets) == 20_000
    each = max(map(sys.getsizeof, buckets._full_at)) + sys.getsizeof(1.5)
    assert sys.getsizeof(buckets._full_at) + each * len(buckets) < 8 * 2**20
    last = ("api\n\n@2001:db8::1869f", rate)
    assert [buckets.take_now([last])[0].is_allowed for _ in range(2)] == [True, False]


def test_buckets_that_are_full_again_are_forgotten() -> None:
    async def left() -> int:
        clock = ManualClock()
        buckets = MemoryBuckets(20_000, clock=clock)
        for number in range(1000):
            buckets.take_now([(str(number), Rate(interval=1.0, burst=2))])
        await clock.advance(2.0)
        for number in range(600):
            buckets.take_now([(f"new {number % 3}", Rate(interval=1.0, burst=2000))])
        return len(buckets)

    assert anyio.run(left) == 3


class Flaky:
    """Buckets that can be away."""

    is_away = False

    def __init__(self, inner: MemoryBuckets) -> None:
        self._inner = inner

    async def take(self, asked: object) -> list[object]:
        if self.is_away:
            raise BucketsAway("gone")
        return await self._inner.take(asked)  # type: ignore[arg-type,return-value]

    async def aclose(self) -> None:
        pass


def invocation(clock: ManualClock) -> Invocation:
    made = Invocation(request_id="r", method="GET", clock=clock, started=clock.now())
    made.client = "192.0.2.1"
    return made


@pytest.mark.parametrize("when_away", ["open", "closed"])
def test_what_happens_while_nobody_can_count_is_a_choice_and_is_told_once(when_away: str) -> None:
    async def story() -> list[Signal]:
        clock, heard = ManualClock(), list[Signal]()
        limiting = Limiting(clock=clock, emit=heard.append)
        policies = {"api": {"requests": 1}}
        limiting.configure(LimitsConfig.model_validate({"policies": policies, "when_away": when_away}))
        flaky = Flaky(MemoryBuckets(10, clock=clock))
        limiting._buckets = flaky  # type: ignore[assignment]
        route = limiting.route(["api"], "/a")
        assert route is not None
        assert await route.before(invocation(clock)) == ((), None)
        _, error = await route.after(invocation(clock))
        assert error is None
        _, error = await route.after(invocation(clock))
        assert isinstance(error, TooManyRequests)
        assert error.headers() == {"retry-after": "60"}
        flaky.is_away = True
        for _ in range(3):
            if when_away == "closed":
                with pytest.raises(LimitsUnavailable):
                    await route.after(invocation(clock))
            else:
                assert await route.after(invocation(clock)) == ((), None)
        flaky.is_away = False
        _, error = await route.after(invocation(clock))
        assert isinstance(error, TooManyRequests)
        return heard

    heard = anyio.run(story)
    assert heard == [LimitsLost(why="gone", lets_in=when_away == "open"), LimitsReturned()]


def test_a_reload_forgets_nothing_that_is_counted_in_the_same_place() -> None:
    async def story() -> None:
        clock = ManualClock()
        limiting = Limiting(clock=clock, emit=lambda _: None)
        for size in (10, 20):
            limiting.configure(
                LimitsConfig.model_validate(
                    {"policies": {"api": {"requests": 2, "burst": 1}}, "most_kept": size}
                )
            )
            route = limiting.route(["api"], "/a")
            assert route is not None
            _, error = await route.after(invocation(clock))
            assert (error is None) == (size == 10)
        assert limiting.route([], "/a") is None

    anyio.run(story)
