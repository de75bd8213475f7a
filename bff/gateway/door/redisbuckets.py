"""Buckets that several gateways share, in Redis: the same algorithm as a script there, by Redis's own clock.

While Redis does not answer it is left alone for a moment: callers must not wait for it one by one.
"""

from __future__ import annotations

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from bff.clock import Clock, Expiry
from bff.gateway.door.buckets import Asked, BucketsAway
from bff.sdk.gcra import Rate, Verdict, opens_in, room

CONNECTIONS = 32
"""Most connections at a time; who finds none free waits within the same time-out."""
LEFT_ALONE = 1.0
"""Seconds after a failure within which nothing is asked."""
PREFIX = "bff:limit:"

# One answer a key: whether it may, and when its bucket is full again, in microseconds from now (negative: how
# long until it may). Nothing is written unless all may. Redis's TIME, so that gateways' clocks may differ.
_SCRIPT = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local told, written, refused = {}, {}, false
for at, key in ipairs(KEYS) do
  local interval, depth = tonumber(ARGV[2 * at - 1]), tonumber(ARGV[2 * at])
  local begins = math.max(tonumber(redis.call('GET', key) or '0'), now)
  local after = begins + interval
  if after - depth > now then
    refused = true
    told[2 * at - 1], told[2 * at] = 0, begins - now
  else
    told[2 * at - 1], told[2 * at] = 1, after - now
  end
  written[at] = after
end
if not refused then
  for at, key in ipairs(KEYS) do
    redis.call('SET', key, string.format('%.0f', written[at]), 'PX', math.ceil((written[at] - now) / 1000) + 1)
  end
end
return told
"""


class RedisBuckets:
    """Mutable state: ``_away_until``, before which Redis is not asked, and the connections."""

    def __init__(self, url: str, *, timeout: float, clock: Clock) -> None:
        self._clock = clock
        self._timeout = timeout
        self._away_until = 0.0
        self._redis = Redis(
            connection_pool=BlockingConnectionPool.from_url(
                url, max_connections=CONNECTIONS, timeout=None, retry=Retry(NoBackoff(), 0)
            )
        )
        self._script = self._redis.register_script(_SCRIPT)

    async def take(self, asked: Asked) -> list[Verdict]:
        now = self._clock.now()
        if now < self._away_until:
            raise BucketsAway("it did not answer a moment ago")
        keys = [PREFIX + key for key, _ in asked]
        rates = [round(each * 1e6) for _, rate in asked for each in (rate.interval, rate.depth)]
        try:
            with Expiry(self._clock, now + self._timeout):
                told = await self._script(keys=keys, args=rates)
        except (RedisError, OSError, TimeoutError) as error:
            self._away_until = self._clock.now() + LEFT_ALONE
            raise BucketsAway(f"{type(error).__name__}: {error}") from error
        return [
            _verdict(bool(told[2 * at]), told[2 * at + 1] / 1e6, rate) for at, (_, rate) in enumerate(asked)
        ]

    async def aclose(self) -> None:
        await self._redis.aclose(close_connection_pool=True)


def _verdict(is_allowed: bool, full_in: float, rate: Rate) -> Verdict:
    """Redis tells when the bucket is full; the rest follows from it."""
    free = room(full_in, 0.0, rate)
    again_in = 0.0 if free else opens_in(full_in, 0.0, rate)
    return Verdict(
        is_allowed=is_allowed,
        full_at=0.0,  # kept there
        remaining=free if is_allowed else 0,
        again_in=again_in,
        full_in=full_in,
    )
