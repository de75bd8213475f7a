"""What a service is forgiven where routes.yaml says nothing, and what its words become."""

from __future__ import annotations

from typing import Any

from bff.config import ServiceConfig
from bff.services.balance import Algorithm, BalancePolicy
from bff.services.breaker import BreakerPolicy
from bff.services.budget import BudgetPolicy
from bff.services.bulkhead import BulkheadPolicy
from bff.services.hedge import HedgePolicy
from bff.services.outlier import OutlierPolicy
from bff.services.policies import Policies, policies
from bff.services.retry import Condition, RetryPolicy

ALL_BUT_BUGS = {Condition.CONNECT, Condition.RESET, Condition.TIMEOUT, Condition.GATEWAY}


def of(**section: Any) -> Policies:
    return policies(ServiceConfig.model_validate({"url": "http://users", **section}))


def test_silence_means_what_finagle_envoy_and_istio_do() -> None:
    """Each number here is one that people know: see the policies' own documentation for whose it is."""
    assert of() == Policies(
        retry=RetryPolicy(
            attempts=2,
            on=frozenset(ALL_BUT_BUGS),
            base=0.025,
            cap=0.25,
            max_retry_after=1.0,
            per_try_timeout=0.0,
        ),
        budget=BudgetPolicy(ratio=0.2, per_second=3.0, ttl=10.0),
        hedge=None,
        breaker=BreakerPolicy(
            consecutive=5,
            interval=10.0,
            base_ejection=30.0,
            max_ejection=300.0,
            failure_rate=0.0,
            slow_call_rate=0.0,
            slow_call=1.0,
            min_calls=50,
        ),
        outlier=OutlierPolicy(max_ejection=10.0, panic=50.0),
        balance=BalancePolicy(algorithm=Algorithm.LEAST_REQUEST, slow_start=0.0),
        bulkhead=BulkheadPolicy(max_connections=100, max_pending=1024, max_websockets=1024),
        is_idempotent=False,
    )
    assert of(hedge={}).hedge == HedgePolicy(max_extra_load=0.01)


def test_every_word_of_routes_yaml_counts() -> None:
    """Nothing that can be written is without an effect; the longest wait stays ten times the first."""
    asked = of(
        idempotent=True,
        max_connections=1,
        max_pending=2,
        max_websockets=3,
        hedge={"max_extra_load": "3%"},
        balance={"policy": "round_robin", "slow_start": "4s"},
        retries={
            "attempts": 5,
            "on": ["5xx", "rate-limited"],
            "per_try_timeout": "6s",
            "backoff": "7ms",
            "retry_after": "8s",
            "budget": {"percent": "9%", "min_per_second": 10},
        },
        outlier_detection={
            "consecutive_5xx": 11,
            "interval": "12s",
            "base_ejection_time": "13s",
            "max_ejection_time": "14s",
            "max_ejection_percent": 15,
            "panic_threshold": 16,
            "failure_rate": "17%",
            "slow_call_rate": "18%",
            "slow_call": "19s",
            "min_calls": 20,
        },
    )
    assert asked == Policies(
        retry=RetryPolicy(
            attempts=5,
            on=frozenset({Condition.SERVER, Condition.LIMITED}),
            base=0.007,
            cap=0.07,
            max_retry_after=8.0,
            per_try_timeout=6.0,
        ),
        budget=BudgetPolicy(ratio=0.09, per_second=10.0),
        hedge=HedgePolicy(max_extra_load=0.03),
        breaker=BreakerPolicy(
            consecutive=11,
            interval=12.0,
            base_ejection=13.0,
            max_ejection=14.0,
            failure_rate=0.17,
            slow_call_rate=0.18,
            slow_call=19.0,
            min_calls=20,
        ),
        outlier=OutlierPolicy(max_ejection=15.0, panic=16.0),
        balance=BalancePolicy(algorithm=Algorithm.ROUND_ROBIN, slow_start=4.0),
        bulkhead=BulkheadPolicy(max_connections=1, max_pending=2, max_websockets=3),
        is_idempotent=True,
    )


def test_a_breaker_that_stands_alone_is_tried_again_soon() -> None:
    """After a second, and a second later each time up to the first ejection of one among others."""
    alone = of().breaker_alone
    assert [alone.ejection(times) for times in (1, 2, 29, 30, 31)] == [1.0, 2.0, 29.0, 30.0, 30.0]
    assert of(outlier_detection={"base_ejection_time": "500ms"}).breaker_alone.ejection(9) == 0.5
