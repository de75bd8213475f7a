"""A service's section of routes.yaml as the policies of this room, made once when it is loaded."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bff.config import ServiceConfig
from bff.services.balance import Algorithm, BalancePolicy
from bff.services.breaker import BreakerPolicy
from bff.services.budget import BudgetPolicy
from bff.services.bulkhead import BulkheadPolicy
from bff.services.hedge import HedgePolicy
from bff.services.outlier import OutlierPolicy
from bff.services.retry import Condition, RetryPolicy

ALONE_FIRST = 1.0
"""Seconds the breaker of an endpoint that stands alone is open first: there is nobody to take its calls, so it is
asked again soon, and later each time up to ``base_ejection_time``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """All of one service's."""

    retry: RetryPolicy
    budget: BudgetPolicy
    hedge: HedgePolicy | None
    breaker: BreakerPolicy
    outlier: OutlierPolicy
    balance: BalancePolicy
    bulkhead: BulkheadPolicy
    is_idempotent: bool

    def for_stubs(self) -> Policies:
        """Where a test decides what is answered: each call is sent once, and no failure is remembered."""
        return replace(
            self,
            retry=replace(self.retry, attempts=0),
            hedge=None,
            breaker=replace(self.breaker, consecutive=0, failure_rate=0.0, slow_call_rate=0.0),
        )

    @property
    def breaker_alone(self) -> BreakerPolicy:
        """For an endpoint that stands alone."""
        longest = self.breaker.base_ejection
        return replace(self.breaker, base_ejection=min(ALONE_FIRST, longest), max_ejection=longest)


def policies(config: ServiceConfig) -> Policies:
    """What a service's section says, with its defaults."""
    return Policies(
        retry=_retry(config),
        budget=BudgetPolicy(
            ratio=config.retries.budget.percent, per_second=float(config.retries.budget.min_per_second)
        ),
        hedge=None if config.hedge is None else HedgePolicy(max_extra_load=config.hedge.max_extra_load),
        breaker=_breaker(config),
        outlier=OutlierPolicy(
            max_ejection=float(config.outlier_detection.max_ejection_percent),
            panic=float(config.outlier_detection.panic_threshold),
        ),
        balance=BalancePolicy(
            algorithm=Algorithm(config.balance.policy), slow_start=config.balance.slow_start or 0.0
        ),
        bulkhead=BulkheadPolicy(
            max_connections=config.max_connections,
            max_pending=config.max_pending,
            max_websockets=config.max_websockets,
        ),
        is_idempotent=config.idempotent,
    )


def _retry(config: ServiceConfig) -> RetryPolicy:
    asked = config.retries
    return RetryPolicy(
        attempts=asked.attempts,
        on=frozenset(map(Condition, asked.on)),
        base=asked.backoff,
        cap=10 * asked.backoff,
        max_retry_after=asked.retry_after,
        per_try_timeout=asked.per_try_timeout or 0.0,
    )


def _breaker(config: ServiceConfig) -> BreakerPolicy:
    asked = config.outlier_detection
    return BreakerPolicy(
        consecutive=asked.consecutive_5xx,
        interval=asked.interval,
        base_ejection=asked.base_ejection_time,
        max_ejection=asked.max_ejection_time,
        failure_rate=asked.failure_rate or 0.0,
        slow_call_rate=asked.slow_call_rate or 0.0,
        slow_call=asked.slow_call,
        min_calls=asked.min_calls,
    )
