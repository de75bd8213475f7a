"""What a service is forgiven, and for how long: retries, hedges, ejection, balancing. Envoy's and Istio's words."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from bff.config.section import Also, Count, NoDoubles, OneOrMany, OrEmpty, Section, wrong
from bff.config.units import Duration, Share

RetryOn = Literal["connect-failure", "reset", "per-try-timeout", "gateway-error", "5xx", "rate-limited"]


class BudgetConfig(Section):
    """What retries and hedges of a service may add to its load, over ten seconds (Finagle's RetryBudget)."""

    percent: Share = Field(default=0.2, description="Share of the calls that may be sent again.")
    min_per_second: Count = Field(
        default=3, ge=0, le=1000, description="Retries a second that no call has to pay for."
    )


class RetriesConfig(Section):
    """Which failed calls are sent again (Istio's HTTPRetry, Envoy's retry policy)."""

    attempts: Count = Field(
        default=2, ge=0, le=10, description="Retries of one call, beyond the first attempt."
    )
    on: Annotated[tuple[RetryOn, ...], OneOrMany, NoDoubles] = Field(
        default=("connect-failure", "reset", "per-try-timeout", "gateway-error"),
        description="Failures that are retried; all but connect-failure only for safe or idempotent calls.",
    )
    per_try_timeout: Duration | None = Field(
        default=None, description="How long one attempt may take; absent: as long as the call."
    )
    backoff: Duration = Field(
        default=0.025, description="Longest wait before the first retry; doubles, ten times as long at most."
    )
    retry_after: Duration = Field(
        default=1.0, description="Longest Retry-After that is waited for; a longer one is handed over."
    )
    budget: Annotated[BudgetConfig, OrEmpty] = Field(
        default=BudgetConfig.plain(), description="What retries and hedges may add to the load."
    )


class HedgeConfig(Section):
    """A second attempt beside one that takes unusually long (Finagle's backup requests)."""

    max_extra_load: Share = Field(
        default=0.01,
        description="Share of the calls sent twice; the others are answered before the second would start.",
    )


class OutlierConfig(Section):
    """When an endpoint is left alone, and for how long (Envoy's outlier detection)."""

    consecutive_5xx: Count = Field(
        default=5, ge=0, le=1000, description="Failures in a row that eject an endpoint; 0: none do."
    )
    interval: Duration = Field(
        default=10.0, description="What rates are counted over, and what forgives one earlier ejection."
    )
    base_ejection_time: Duration = Field(
        default=30.0, description="How long the first ejection lasts; the n-th in a row n times as long."
    )
    max_ejection_time: Duration = Field(default=300.0, description="How long one lasts at most.")
    max_ejection_percent: Count = Field(
        default=10, ge=0, le=100, description="Most of the endpoints out at once; one may always be."
    )
    panic_threshold: Count = Field(
        default=50, ge=0, le=100, description="Percent of endpoints in; with fewer, all are used again."
    )
    failure_rate: Share | None = Field(
        default=None, description="Share of an interval's calls that must fail to eject."
    )
    slow_call_rate: Share | None = Field(
        default=None, description="Share of an interval's calls that must be slow to eject."
    )
    slow_call: Duration = Field(default=1.0, description="How long a call takes at least to be slow.")
    min_calls: Count = Field(default=50, ge=1, description="Calls in an interval before its rates count.")

    @model_validator(mode="after")
    def _times_fit(self) -> OutlierConfig:
        if self.base_ejection_time > self.max_ejection_time:
            raise wrong("has base_ejection_time above max_ejection_time")
        return self


def _policy_alone(value: object) -> object:
    return {"policy": value} if isinstance(value, str) else value


class BalanceConfig(Section):
    """Which endpoint gets the next call (Istio's LoadBalancerSettings)."""

    policy: Literal["least_request", "round_robin"] = Field(
        default="least_request", description="The idler of two chosen at random, or each in turn."
    )
    slow_start: Duration | None = Field(
        default=None, description="How long a new endpoint's share grows from a tenth to its whole weight."
    )


Balance = Annotated[BalanceConfig, Also(_policy_alone, "string"), BeforeValidator(_policy_alone)]
"""``balance: round_robin`` means ``balance: {policy: round_robin}``."""
