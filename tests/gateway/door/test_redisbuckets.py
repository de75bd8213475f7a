"""Buckets in a real Redis: counted together, by its clock, and left alone while it is away."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from bff.clock import SystemClock
from bff.gateway.door.buckets import BucketsAway, MemoryBuckets
from bff.gateway.door.redisbuckets import LEFT_ALONE, RedisBuckets
from bff.sdk.gcra import Rate
from bff.testing.clock import ManualClock
from tests import redisserver
from tests.house.inside import inside

SLOW = Rate(interval=3600.0, burst=5)
"""So slow that a test never sees it fill up."""
PATIENT = 60.0


@pytest.fixture(scope="module")
def redis() -> Iterator[redisserver.Server]:
    with redisserver.server() as server:
        yield server


def test_gateways_on_one_redis_count_together(redis: redisserver.Server) -> None:
    async def story() -> None:
        gateways = [RedisBuckets(redis.url, timeout=PATIENT, clock=SystemClock()) for _ in range(2)]
        seen = [await gateways[number % 2].take([("together", SLOW)]) for number in range(7)]
        assert [verdict.is_allowed for (verdict,) in seen] == [True] * 5 + [False] * 2
        assert [verdict.remaining for (verdict,) in seen] == [4, 3, 2, 1, 0, 0, 0]
        (refused,) = seen[-1]
        assert 3500 < refused.again_in <= 3600
        for each in gateways:
            await each.aclose()

    anyio.run(story)


def test_calls_at_the_same_time_are_never_too_many(redis: redisserver.Server) -> None:
    async def story() -> None:
        buckets = RedisBuckets(redis.url, timeout=PATIENT, clock=SystemClock())
        allowed = []

        async def call() -> None:
            (verdict,) = await buckets.take([("at once", SLOW)])
            allowed.append(verdict.is_allowed)

        async with anyio.create_task_group() as group:
            for _ in range(60):
                group.start_soon(call)
        assert (allowed.count(True), allowed.count(False)) == (5, 55)
        await buckets.aclose()

    anyio.run(story)


def test_it_decides_as_memory_does(redis: redisserver.Server) -> None:
    """The same calls, the same verdicts, of several buckets at once too."""

    async def story() -> None:
        shared = RedisBuckets(redis.url, timeout=PATIENT, clock=SystemClock())
        own = MemoryBuckets(10, clock=SystemClock())
        wide, narrow = ("wide", Rate(interval=1800.0, burst=9)), ("narrow", Rate(interval=3600.0, burst=3))
        for asked in ([wide, narrow], [narrow], [wide, narrow], [wide, narrow], [wide], [narrow], [wide]):
            there, here = await shared.take(asked), await own.take(asked)
            for one, other in zip(there, here, strict=True):
                assert (one.is_allowed, one.remaining) == (other.is_allowed, other.remaining)
                assert abs(one.again_in - other.again_in) < 5
                assert abs(one.full_in - other.full_in) < 5
        await shared.aclose()

    anyio.run(story)


GATEWAY = """\
limits:
  store: {url}
  timeout: 60s
  policies: {{few: {{requests: 3, window: 1h, per: address}}}}
defaults: {{limits: few, timeout: 60s, warm_up_timeout: 60s}}
routes: [{{path: /hello, function: hello}}]
"""


def test_a_limit_of_two_gateways_is_one(redis: redisserver.Server, tmp_path: Path) -> None:
    """As routes.yaml says it: `store` is a Redis, and the fourth call is one too many whoever is asked."""
    files = {
        "routes.yaml": GATEWAY.format(url=redis.url),
        "functions/hello.py": "async def handle() -> str:\n    return 'hello'\n",
    }

    async def story() -> None:
        async with inside(tmp_path / "one", files) as one, inside(tmp_path / "other", files) as other:
            answers = [await each.client.get("/hello") for each in (one, other, one, other, one)]
        assert [each.status_code for each in answers] == [200, 200, 200, 429, 429]
        left = [re.search(r'"few";r=(\d+)', each.headers["ratelimit"]) for each in answers]
        assert [each and each[1] for each in left] == ["2", "1", "0", "0", "0"]

    anyio.run(story)


def test_what_is_full_again_leaves_nothing_behind(redis: redisserver.Server) -> None:
    async def story() -> None:
        buckets = RedisBuckets(redis.url, timeout=PATIENT, clock=SystemClock())
        await buckets.take([("brief", Rate(interval=0.05, burst=2))])
        await buckets.take([("lasting", SLOW)])
        with anyio.fail_after(PATIENT):
            while await buckets._redis.exists("bff:limit:brief"):
                await anyio.sleep(0.02)
        assert await buckets._redis.pttl("bff:limit:lasting") > 3_000_000
        await buckets.aclose()

    anyio.run(story)


def test_a_redis_that_goes_away_is_left_alone_for_a_moment_and_found_again() -> None:
    async def story(server: redisserver.Server) -> None:
        clock = ManualClock()
        buckets = RedisBuckets(server.url, timeout=PATIENT, clock=clock)
        assert (await buckets.take([("k", SLOW)]))[0].remaining == 4
        server.stop()
        with pytest.raises(BucketsAway, match="Error"):
            await buckets.take([("k", SLOW)])
        server.start()
        with pytest.raises(BucketsAway, match="a moment ago"):
            await buckets.take([("k", SLOW)])
        await clock.advance(LEFT_ALONE)
        assert (await buckets.take([("k", SLOW)]))[0].remaining == 4  # it came back empty
        await buckets.aclose()

    with redisserver.server() as server:
        anyio.run(story, server)


def test_a_redis_that_never_answers_costs_one_time_out() -> None:
    async def story(port: int) -> None:
        buckets = RedisBuckets(f"redis://127.0.0.1:{port}", timeout=0.1, clock=SystemClock())
        with pytest.raises(BucketsAway, match="Timeout"):
            await buckets.take([("k", SLOW)])
        with pytest.raises(BucketsAway, match="a moment ago"):
            await buckets.take([("k", SLOW)])
        await buckets.aclose()

    with socket.create_server(("127.0.0.1", 0)) as accepts_and_says_nothing:
        anyio.run(story, accepts_and_says_nothing.getsockname()[1])
