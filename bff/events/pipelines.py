"""What a pipeline does next. Pure: what a step answered comes in, what the next one gets goes out.

A run keeps the plan it began with, whatever routes.yaml says later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic_core import from_json, to_json

from bff.config import jsonpath
from bff.config.pipeline import PipelineConfig
from bff.events.records import Incoming, Planned, Result
from bff.frozen import frozen
from bff.sdk.cloudevent import CloudEvent, document_of, is_json

PREFIX = "pipeline/"
"""What the trigger of a delivery begins with that is a pipeline's: ``pipeline/NAME`` begins a run,
``pipeline/NAME/2`` is its third step."""
TYPE = "bff.pipeline"
"""The type of the events that steps get."""


DATAREF, REVISION = "dataref", "bffrevision"
"""Attributes of those events: where the data is, and which revision gets it."""
CLAIM = b"bff-claim"
"""The field of a kept answer that says under which key its body is kept."""
NONE: Mapping[str, str] = {}


@frozen
class Claim:
    """Data that is kept elsewhere, under a key; ``kind`` is its media type."""

    key: str
    kind: str


class Broken(Exception):
    """A run cannot go on; the sentence says why."""


@frozen
class Step:
    """A step of a plan. ``pins`` are the revisions of its functions, "" for one that is not known (yet); without any, traffic
    chooses for each part.
    """

    functions: tuple[str, ...]
    each: str | None
    most: int
    pins: tuple[str, ...] = ()

    @property
    def is_joined(self) -> bool:
        """Whether it hands on a list of answers."""
        return self.each is not None or len(self.functions) > 1


def plan_of(config: PipelineConfig) -> tuple[Step, ...]:
    """The plan of a pipeline of routes.yaml; where that is pinned, its revisions have still to be drawn."""
    plan = []
    for step in config.steps:
        functions = step.parallel or (step.function,)
        pins = ("",) * len(functions) if config.pinned else ()
        plan.append(Step(functions=functions, each=step.each, most=step.most, pins=pins))
    return tuple(plan)


def pinned(text: str, draw: Callable[[str], str]) -> str:
    """The plan of a run that begins: each function's revision is drawn once."""
    plan = read(text)
    drawn = {name: draw(name) for step in plan if step.pins for name in step.functions}
    if not drawn:
        return text
    return written(
        replace(step, pins=tuple(drawn[name] for name in step.functions)) if step.pins else step
        for step in plan
    )


def written(plan: Iterable[Step]) -> str:
    """A plan as text."""
    told = [
        {"functions": each.functions, "each": each.each, "most": each.most}
        | ({"pins": each.pins} if each.pins else {})
        for each in plan
    ]
    return to_json(told).decode()


def read(text: str) -> tuple[Step, ...]:
    """The plan of such a text."""
    return tuple(
        Step(**{**each, "functions": tuple(each["functions"]), "pins": tuple(each.get("pins", ()))})
        for each in from_json(text)
    )


def trigger_of(pipeline: str, step: int | None = None) -> str:
    """The name that deliveries go by."""
    return f"{PREFIX}{pipeline}" if step is None else f"{PREFIX}{pipeline}/{step}"


def source_of(pipeline: str, run: str) -> str:
    """The source of the events of a run."""
    return f"/pipelines/{pipeline}/{run}"


def run_of(trigger: str, source: str) -> str:
    """The run that a delivery is a part of, by its trigger and its event's source; "" where it is of none."""
    pipeline, _, _ = trigger.removeprefix(PREFIX).rpartition("/")
    run = source.rpartition("/")[2]
    is_part = trigger.startswith(PREFIX) and pipeline and source == source_of(pipeline, run)
    return run if is_part else ""


@frozen
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


def incoming_of(
    pipeline: str, run: str, step: int, parts: Iterable[tuple[str, Any]], *, pins: Mapping[str, str] = NONE
) -> list[Incoming]:
    """The events of a step's parts, under keys that are the same whoever makes them."""
    made, source = [], source_of(pipeline, run)
    for at, (function, data) in enumerate(parts):
        event = _event_of(data, number=f"{step}.{at}", source=source, pin=pins.get(function, ""))
        made.append(
            Incoming(
                key=key_of(run, step, at),
                event=event,
                document=to_json(document_of(event)),
                triggers="",
                deliveries=(Planned(trigger=trigger_of(pipeline, step), function=function),),
            )
        )
    return made


def key_of(run: str, step: int, at: int) -> str:
    """The key of the event of a step's part."""
    return f"{run}-{step:02}.{at:05}"


def _event_of(data: Any, *, number: str, source: str, pin: str) -> CloudEvent:
    """An event with this data, or with a reference to it (CloudEvents' dataref extension, the claim check pattern)."""
    extensions = {REVISION: pin} if pin else {}
    if isinstance(data, Claim):
        extensions[DATAREF] = data.key
        kind, data = data.kind or None, None
    else:
        kind = "application/octet-stream" if isinstance(data, bytes) else "application/json"
    return CloudEvent(
        id=number, source=source, type=TYPE, datacontenttype=kind, data=data, extensions=extensions
    )


def value_of(result: Result) -> Any:
    """What a function answered, as data: JSON, text, bytes, None for nothing; a claim where it is kept elsewhere."""
    fields = {name.lower(): value.decode("latin-1") for name, value in result.headers}
    kind = fields.get(b"content-type", "")
    if CLAIM in fields:
        return Claim(key=fields[CLAIM], kind=kind)
    return read_as(kind, result.body)


def read_as(kind: str, body: bytes) -> Any:
    """A body as data."""
    if not body:
        return None
    if is_json(kind):
        return from_json(body)
    return body.decode("utf-8", "replace") if kind.startswith("text/") else body
