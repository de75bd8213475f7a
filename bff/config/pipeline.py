"""Pipelines: functions that hand on to each other. Knative Flows' words: a sequence of steps, some of them parallel."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from bff.config import jsonpath
from bff.config.section import Count, Flag, NoDoubles, OneOrMany, OrEmpty, Section, wrong
from bff.config.trigger import DeliveryConfig, FilterConfig

MOST_STEPS = 50


def _path(text: str) -> str:
    try:
        jsonpath.parsed(text)
    except ValueError as error:
        raise wrong("is not a path into the data", hint=f": it {error}") from None
    return text


class StepConfig(Section):
    """One step: a function, a function for each item of a list, or several functions beside each other."""

    model_config = ConfigDict(
        json_schema_extra={"anyOf": [{"required": ["function"]}, {"required": ["parallel"]}]}
    )

    function: str = Field(default="", description="The function that gets what the step before answered.")
    parallel: Annotated[tuple[str, ...], OneOrMany, NoDoubles] = Field(
        default=(), description="Functions that all get it; the next step gets the list of their answers."
    )
    each: Annotated[str, AfterValidator(_path)] | None = Field(
        default=None,
        description="A list in it, such as $.files: the function runs once for each item, and the answers are"
        " joined to a list.",
    )
    most: Count = Field(default=1000, ge=1, le=10_000, description="Most items of such a list.")
    concurrency: Count = Field(
        default=0, ge=0, le=10_000, description="Most of them at a time from this gateway; 0: no limit."
    )
    delivery: Annotated[DeliveryConfig, OrEmpty] = Field(
        default=DeliveryConfig(), description="Retries and timeout of the step, as of a trigger."
    )

    @model_validator(mode="after")
    def _is_one(self) -> StepConfig:
        if bool(self.function) == bool(self.parallel):
            raise wrong("has either a function or parallel")
        if self.each is not None and self.parallel:
            raise wrong("has each for one function; a function can call others for its item")
        return self


def _some(steps: tuple[StepConfig, ...]) -> tuple[StepConfig, ...]:
    if not 1 <= len(steps) <= MOST_STEPS:
        raise wrong("has between 1 and 50 steps")
    return steps


class PipelineConfig(Section):
    """Steps that run one after the other; a run goes on where it was when its gateway dies."""

    steps: Annotated[tuple[StepConfig, ...], AfterValidator(_some)] = Field(
        description="The steps, in their order."
    )
    pinned: Flag = Field(
        default=False,
        description="Whether a run stays with the revisions that had the calls when it began, whatever is deployed then.",
    )
    filters: tuple[FilterConfig, ...] | None = Field(
        default=None, description="Which events begin a run, as of a trigger; absent: none does."
    )
