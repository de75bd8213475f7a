"""Sends a second attempt beside a slow first one, as :mod:`bff.services.hedge` decides, and takes the better."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from bff.clock import Clock
from bff.sdk.callrecord import CallRecord
from bff.services import hedge
from bff.services.budget import RetryBudget
from bff.services.hedge import HedgePolicy
from bff.services.latency import Latency
from bff.services.patience import best_of, ended, is_done_within
from bff.services.response import ServiceResponse
from bff.services.retry import failed_status

Attempt = Callable[[], Coroutine[Any, Any, ServiceResponse]]


class Hedging:
    """One service's. Mutable state: its latencies, and a budget of its own beside the shared one."""

    def __init__(self, policy: HedgePolicy, shared: RetryBudget, clock: Clock) -> None:
        self.latency = Latency()
        self._policy = policy
        self._shared = shared
        self._own = RetryBudget(policy.budget)
        self._clock = clock

    def usual(self, now: float) -> float:
        """Seconds that half of the calls take; 0 before any is known."""
        return self.latency.percentile(0.5, now) or 0.0

    async def run(
        self, first: Attempt, second: Attempt, remaining: float, record: CallRecord
    ) -> ServiceResponse:
        """The first good answer of the two, the second one being sent only if the first is late.

        Before the other is cancelled, the record is told how long an attempt usually takes: a black hole would never
        be found out if those of its calls that a hedge answers said nothing of it.

        Raises:
            ServiceError: none of those that were sent brought an answer.

        """
        began = self._clock.now()
        self._own.deposit(began)
        wait = hedge.delay(self._policy, self.latency, began, remaining=remaining)
        response = await (first() if wait is None else self._raced(first, second, wait, record))
        now = self._clock.now()
        self.latency.note(now - began, now)
        return response

    async def _raced(
        self, first: Attempt, second: Attempt, wait: float, record: CallRecord
    ) -> ServiceResponse:
        def is_good(response: ServiceResponse) -> bool:
            if failed_status(response.status_code) is not None:
                return False
            record.patience = 0.99 * wait  # sums of floating point are a hair early
            return True

        tasks = {asyncio.ensure_future(first())}
        try:
            if not await is_done_within(self._clock, wait, next(iter(tasks))) and self._may_send():
                tasks.add(asyncio.ensure_future(second()))
            return await best_of(tasks, is_good)
        finally:
            await ended(tasks)
            tasks.clear()  # the failure of one holds this frame

    def _may_send(self) -> bool:
        now = self._clock.now()
        return self._own.balance(now) >= 1 and self._shared.withdraw(now) and self._own.withdraw(now)
