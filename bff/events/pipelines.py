"""What a pipeline does next. Pure: what a step answered comes in, what the next one gets goes out.

A run keeps the plan it began with, whatever routes.yaml says later.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json, to_json

from bff.config import jsonpath
from bff.config.pipeline import PipelineConfig
from bff.events.records import Incoming, Planned, Result
from bff.sdk.cloudevent import CloudEvent, document_of, is_json

PREFIX = "pipeline/"
"""What the trigger of a delivery begins with that is a pipeline's: ``pipeline/NAME`` begins a run,
``pipeline/NAME/2`` is its third step."""
TYPE = "bff.pipeline"
"""The type of the events that steps get."""


class Broken(Exception):
    """A run cannot go on; the sentence says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A step of a plan."""

    functions: tuple[str, ...]
    each: str | None
    most: int

    @property
    def is_joined(self) -> bool:
        """Whether it hands on a list of answers."""
        return self.each is not None or len(self.functions) > 1


def plan_of(config: PipelineConfig) -> tuple[Step, ...]:
    """The plan of a pipeline of routes.yaml."""
    return tuple(
        Step(functions=each.parallel or (each.function,), each=each.each, most=each.most)
        for each in config.steps
    )


def written(plan: Iterable[Step]) -> str:
    """A plan as text."""
    told = [{"functions": each.functions, "each": each.each, "most": each.most} for each in plan]
    return to_json(told).decode()


def read(text: str) -> tuple[Step, ...]:
    """The plan of such a text."""
    return tuple(Step(**{**each, "functions": tuple(each["functions"])}) for each in from_json(text))


def trigger_of(pipeline: str, step: int | None = None) -> str:
    """The name that deliveries go by."""
    return f"{PREFIX}{pipeline}" if step is None else f"{PREFIX}{pipeline}/{step}"


def source_of(pipeline: str, run: str) -> str:
    """The source of the events of a run."""
    return f"/pipelines/{pipeline}/{run}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A part of a step has ended well: of which run, which step (-1 for its beginning), and with what."""

    pipeline: str
    run: str
    step: int
    plan: str = ""


def done_of(trigger: str, event: CloudEvent, key: str, plans: Mapping[str, str]) -> Done:
    """Which part of which run a delivery was. ``plans`` are those of routes.yaml, for runs that begin."""
    pipeline, _, step = trigger.removeprefix(PREFIX).partition("/")
    if not step:
        return Done(pipeline=pipeline, run=key, step=-1, plan=plans.get(pipeline, ""))
    return Done(pipeline=pipeline, run=event.source.rpartition("/")[2], step=int(step))


def inputs(step: Step, data: Any) -> list[tuple[str, Any]]:
    """What a step's functions get of what the step before answered.

    Raises:
        Broken: there is no list where one has to be, or it is too long.

    """
    if step.each is None:
        return [(function, data) for function in step.functions]
    items = jsonpath.found(data, jsonpath.parsed(step.each))
    if not isinstance(items, list):
        raise Broken(f"what the step before answered has no list at {step.each}")
    if len(items) > step.most:
        raise Broken(f"the list at {step.each} has {len(items)} items, and at most {step.most} are allowed")
    return [(step.functions[0], item) for item in items]


def joined(step: Step, outputs: Sequence[Any]) -> Any:
    """What a step hands on."""
    return list(outputs) if step.is_joined else outputs[0]


def incoming_of(pipeline: str, run: str, step: int, parts: Iterable[tuple[str, Any]]) -> list[Incoming]:
    """The events of a step's parts, under keys that are the same whoever makes them."""
    made = []
    for at, (function, data) in enumerate(parts):
        event = CloudEvent(
            id=f"{step}.{at}",
            source=source_of(pipeline, run),
            type=TYPE,
            datacontenttype="application/octet-stream" if isinstance(data, bytes) else "application/json",
            data=data,
        )
        made.append(
            Incoming(
                key=f"{run}-{step:02}.{at:05}",
                event=event,
                document=to_json(document_of(event)),
                triggers="",
                deliveries=(Planned(trigger=trigger_of(pipeline, step), function=function),),
            )
        )
    return made


def value_of(result: Result) -> Any:
    """What a function answered, as data: JSON, text, bytes, or None for nothing."""
    kind = next(
        (value.decode("latin-1") for name, value in result.headers if name.lower() == b"content-type"), ""
    )
    if not result.body:
        return None
    if is_json(kind):
        return from_json(result.body)
    return result.body.decode("utf-8", "replace") if kind.startswith("text/") else result.body
