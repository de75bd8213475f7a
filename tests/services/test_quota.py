"""One service has so many connections, however many endpoints it has."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bff.sdk.service import Service
from bff.services.quota import Quota

pytestmark = pytest.mark.anyio

MakeUpstream = Callable[..., Awaitable[Any]]
MakeService = Callable[..., Service]


class PlayedPool:
    """A pool whose callers the test decides: so many ``busy`` connections, ``idle`` ones, and who waits."""

    def __init__(self, quota: Quota) -> None:
        self.quota = quota
        self.busy = self.idle = self.waiting = 0
        quota.join(self)

    @property
    def taken(self) -> int:
        return self.busy + self.idle

    def close_idle(self) -> bool:
        if not self.idle:
            return False
        self.idle -= 1
        self.quota.given_back()
        return True

    def serve(self) -> None:
        while self.waiting and self.quota.grant(self):
            self.waiting -= 1
            self.busy += 1

    def call(self) -> None:
        if self.idle:
            self.idle, self.busy = self.idle - 1, self.busy + 1
        else:
            self.waiting += 1
            self.serve()

    def answer(self) -> None:
        if not self.busy:
            return
        self.busy -= 1
        self.idle += 1
        if self.quota.wants(self):
            self.idle -= 1
            self.quota.lost(self, waits=self.waiting > 0)
        elif self.waiting:
            self.idle, self.waiting, self.busy = self.idle - 1, self.waiting - 1, self.busy + 1
        elif self.quota.hungry:
            self.idle -= 1
            self.quota.given_back()


@given(st.integers(1, 4), st.lists(st.tuples(st.integers(0, 2), st.booleans()), max_size=60))
def test_never_more_than_the_quota_and_nobody_waits_beside_room(
    most: int, steps: list[tuple[int, bool]]
) -> None:
    quota = Quota(most)
    pools = [PlayedPool(quota) for _ in range(3)]
    for at, is_call in steps:
        (pools[at].call if is_call else pools[at].answer)()
        assert sum(pool.taken for pool in pools) <= most
        if any(pool.waiting for pool in pools):
            assert sum(pool.busy for pool in pools) == most
    while any(pool.busy for pool in pools):
        next(pool for pool in pools if pool.busy).answer()
    assert not any(pool.waiting for pool in pools)


def test_a_long_line_at_one_endpoint_leaves_the_others_their_share() -> None:
    """A slow endpoint holds every connection and has callers in line; the first that is free goes to another one."""
    quota = Quota(4)
    slow, quick = PlayedPool(quota), PlayedPool(quota)
    for _ in range(20):
        slow.call()
    for _ in range(5):
        quick.call()
    assert (slow.busy, quick.busy) == (4, 0)
    slow.answer()
    slow.answer()
    assert (slow.busy, quick.busy) == (2, 2)
    slow.answer()  # from here on each keeps its half
    quick.answer()
    assert (slow.busy, quick.busy) == (2, 2)


async def test_many_endpoints_have_no_more_connections_than_one_may(
    upstream: MakeUpstream, service: MakeService
) -> None:
    """``max_connections`` is the service's: two calls are under way at three endpoints, and all are answered."""
    gate, under_way, seen = asyncio.Semaphore(0), 0, []

    async def behave(talk: Any) -> None:
        nonlocal under_way
        under_way += 1
        seen.append(under_way)
        await gate.acquire()
        under_way -= 1
        await talk.answer(200, b'"good"')

    there = [await upstream(behave) for _ in range(3)]
    users = service(
        "http://users.internal",
        endpoints=[each.url.removeprefix("http://") for each in there],
        balance="round_robin",
        max_connections=2,
    )
    calls = [asyncio.ensure_future(users.get("/", into=str).run()) for _ in range(12)]
    async with asyncio.timeout(60):
        while len(seen) < 2:
            await asyncio.sleep(0.001)
        for _ in range(12):
            gate.release()
        assert await asyncio.gather(*calls) == ["good"] * 12
    assert max(seen) == 2
    assert all(each.requests for each in there)


async def test_an_idle_connection_makes_room_for_another_endpoint(
    upstream: MakeUpstream, service: MakeService
) -> None:
    """A quota of one, and two endpoints in turn: nobody waits for a connection that nobody uses."""
    there = [await upstream(), await upstream()]
    users = service(
        "http://users.internal",
        endpoints=[each.url.removeprefix("http://") for each in there],
        balance="round_robin",
        max_connections=1,
    )
    async with asyncio.timeout(60):
        for _ in range(6):
            assert (await users.get("/")).status_code == 200
    assert [len(each.requests) for each in there] == [3, 3]
