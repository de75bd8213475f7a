"""How many instances a function has, and how busy each may be: Knative's words and defaults."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StrictFloat, StrictInt, model_validator

from bff.config.scalars import typed
from bff.config.section import Count, Section, wrong
from bff.config.units import Duration


def _typed(value: object) -> object:
    return typed(value) if isinstance(value, str) else value


Number = Annotated[StrictFloat | StrictInt, BeforeValidator(_typed)]


class ScaleConfig(Section):
    """The autoscaler's bounds and pace (https://knative.dev/docs/serving/autoscaling/)."""

    min: Count = Field(
        default=0, ge=0, le=1000, description="Fewest instances; 1 keeps the function warm (min-scale)."
    )
    max: Count = Field(default=0, ge=0, le=1000, description="Most instances; 0: no bound (max-scale).")
    initial: Count = Field(
        default=1, ge=0, le=1000, description="Instances a new revision starts with (initial-scale)."
    )
    metric: Literal["concurrency", "rps"] = Field(
        default="concurrency", description="What is averaged: calls inside at a time, or calls a second."
    )
    target: Number | None = Field(
        default=None,
        gt=0,
        description="What one instance shall carry; unsaid, its own limit (`concurrency`) or else 100 calls at a "
        "time, and 200 calls a second (container-concurrency-target-default, requests-per-second-target-default).",
    )
    utilization: Number = Field(
        default=70,
        ge=1,
        le=100,
        description="Percent of the target aimed at (target-utilization-percentage).",
    )
    window: Duration = Field(default=60.0, description="The stable window (stable-window).")
    idle: Duration = Field(default=60.0, description="How long without a call before the last instance goes.")
    panic_window_percentage: Number = Field(
        default=10, ge=1, le=100, description="The panic window, in percent of the stable one."
    )
    panic_threshold_percentage: Number = Field(
        default=200, ge=110, le=1000, description="Load over capacity, in percent, that begins panic mode."
    )
    scale_down_delay: Duration | None = Field(
        default=None, description="How long fewer must be wanted before there are fewer (scale-down-delay)."
    )
    activation: Count = Field(
        default=1, ge=1, le=1000, description="Fewest instances once there are any (activation-scale)."
    )

    @model_validator(mode="after")
    def _bounds_fit(self) -> ScaleConfig:
        if self.max and self.min > self.max:
            raise wrong("has min above max", hint=f": {self.min} > {self.max}")
        if self.max and self.activation > self.max:
            raise wrong("has activation above max", hint=f": {self.activation} > {self.max}")
        return self
