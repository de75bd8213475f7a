"""Rate limits of all routes: where they are counted, and what happens to a call when that cannot be asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from bff.clock import Clock
from bff.config.limits import MEMORY, LimitsConfig
from bff.errors import BffError
from bff.gateway.door import ratelimit
from bff.gateway.door.buckets import Buckets, BucketsAway, MemoryBuckets
from bff.gateway.door.failures import LimitsUnavailable, TooManyRequests
from bff.gateway.door.ratelimit import Limit
from bff.sdk.gcra import Verdict
from bff.sdk.invocation import Invocation
from bff.sdk.reply import HeaderPairs
from bff.signals import LimitsLost, LimitsReturned, Signal

Counted = tuple[HeaderPairs | tuple[()], BffError | None]
"""Fields for the answer, and the error that it is where the call is one too many."""


class Limiting:
    """Mutable state: ``_config``, the ``_buckets`` (kept over reloads), ``_replaced`` ones, ``_is_away``."""

    def __init__(self, *, clock: Clock, emit: Callable[[Signal], object]) -> None:
        self._clock = clock
        self._emit = emit
        self._config: LimitsConfig | None = None
        self._buckets: Buckets = MemoryBuckets(1, clock=clock)
        self._replaced: list[Buckets] = []
        self._is_away = False

    def configure(self, config: LimitsConfig) -> None:
        """Count by these from now on. What was counted stays, as long as it is counted in the same place."""
        old, self._config = self._config, config
        if old is not None and (old.store, old.timeout) == (config.store, config.timeout):
            if isinstance(self._buckets, MemoryBuckets):
                self._buckets.most = config.most_kept
            return
        self._replaced.append(self._buckets)
        self._buckets = self._made(config)
        self._is_away = False

    def _made(self, config: LimitsConfig) -> Buckets:
        if config.store == MEMORY:
            return MemoryBuckets(config.most_kept, clock=self._clock)
        from bff.gateway.door.redisbuckets import (
            RedisBuckets,  # a client that only those need who share limits
        )

        return RedisBuckets(config.store, timeout=config.timeout, clock=self._clock)

    def route(self, names: Iterable[str], template: str) -> RouteLimits | None:
        """What holds for one route; None where nothing does."""
        assert self._config is not None
        limits = [Limit(name, self._config.policies[name], template) for name in names]
        return RouteLimits(limits, self) if limits else None

    async def take(self, limits: Sequence[Limit], invocation: Invocation) -> list[Verdict] | None:
        """One call out of each bucket; None where that cannot be told, and calls are to be let in then.

        Raises:
            LimitsUnavailable: it cannot be told, and nobody is to be let in then.

        """
        asked = [(limit.key(invocation.client, invocation.caller), limit.rate) for limit in limits]
        buckets = self._buckets
        try:
            verdicts = await buckets.take(asked)
        except BucketsAway as why:
            self._away(str(why))
            return None
        if self._is_away and buckets is self._buckets:
            self._is_away = False
            self._emit(LimitsReturned())
        return verdicts

    def _away(self, why: str) -> None:
        assert self._config is not None
        is_open = self._config.when_away == "open"
        if not self._is_away:
            self._is_away = True
            self._emit(LimitsLost(why=why, lets_in=is_open))
        if not is_open:
            raise LimitsUnavailable

    async def aclose(self) -> None:
        """Let go of the store, and of those before it."""
        for buckets in (*self._replaced, self._buckets):
            await buckets.aclose()


class RouteLimits:
    """A route's limits in two groups: those that can be asked before it is known who calls, and the others.
    Immutable.
    """

    __slots__ = ("_after", "_before", "_limiting")

    def __init__(self, limits: Sequence[Limit], limiting: Limiting) -> None:
        self._before = [each for each in limits if not each.needs_caller]
        self._after = [each for each in limits if each.needs_caller]
        self._limiting = limiting

    async def before(self, invocation: Invocation) -> Counted:
        """By address and route: whoever tries out tokens is held here already."""
        return await self._counted(self._before, invocation)

    async def after(self, invocation: Invocation) -> Counted:
        """By who calls."""
        return await self._counted(self._after, invocation)

    async def _counted(self, limits: Sequence[Limit], invocation: Invocation) -> Counted:
        verdicts = await self._limiting.take(limits, invocation) if limits else None
        if not verdicts:
            return (), None
        refused = [(limit, seen) for limit, seen in zip(limits, verdicts, strict=True) if not seen.is_allowed]
        error = None
        if refused:
            again = max(1, ratelimit.whole_seconds(max(seen.again_in for _, seen in refused)))
            error = TooManyRequests(tuple(limit.name for limit, _ in refused), again)
        return ratelimit.fields(limits, verdicts), error
