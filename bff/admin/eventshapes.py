"""What the admin API takes and gives about events."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from bff.admin.shapes import Body, Moment, Shape


class SentShape(Shape):
    """An event that was taken in."""

    key: str
    new: bool = Field(description="False: its source and id were known already, and nothing was stored.")


class AttemptShape(Shape):
    """One attempt; `ended` is absent while it runs, or when its gateway ended first."""

    number: int
    began: Moment
    ended: Moment | None
    status: int
    code: str
    detail: str
    revision: str
    gateway: str


class DeliveryShape(Shape):
    """An event on its way to one trigger's function."""

    key: str
    trigger: str
    function: str
    dead_letter: bool = Field(description="Whether it takes a dead letter to its sink.")
    state: str
    attempts: int
    updated: Moment
    not_before: Moment | None = Field(description="When it is tried next, of one that waits.")


class TriedShape(DeliveryShape):
    """A delivery with its attempts."""

    tries: list[AttemptShape]


class EventShape(Shape):
    """An event with its deliveries."""

    key: str
    id: str
    source: str
    type: str
    subject: str | None
    accepted: Moment
    deliveries: list[DeliveryShape]


class WholeEventShape(EventShape):
    """An event with everything that became of it; `event` is the event itself in structured mode."""

    event: dict[str, Any]
    deliveries: list[TriedShape]  # type: ignore[assignment]


class DecisionShape(Shape):
    """What a trigger says about an event, and what became of its delivery."""

    trigger: str
    matched: bool
    why_not: str | None = Field(description="The clause that failed.")
    paused: bool
    delivery: TriedShape | None


class ExplanationShape(Shape):
    """Why an event went where it went."""

    key: str
    id: str
    source: str
    type: str
    subject: str | None
    accepted: Moment
    as_then: bool = Field(
        description="Whether the triggers of now are those that decided on it when it came."
    )
    triggers: list[DecisionShape]


class TriggerShape(Shape):
    """A trigger, and how many deliveries it has in each state."""

    name: str
    function: str
    paused: bool
    paused_by: str | None
    waiting: int
    running: int
    delivered: int
    dead: int
    cancelled: int


class PipelineShape(Shape):
    """A pipeline: the functions of each of its steps."""

    name: str
    steps: list[list[str]]


class RunShape(Shape):
    """A run of a pipeline: `done` parts of `total` of the `step` where it stands, counted from 0."""

    key: str
    pipeline: str
    state: str
    step: int
    done: int
    total: int
    created: Moment
    updated: Moment
    why: str


class WholeRunShape(RunShape):
    """A run with its parts in their order, and what its last step answered."""

    parts: list[TriedShape]
    answer: Any


class ProgressShape(Shape):
    """How far a function says that it is: `done` of `total`, which is absent where it is not known."""

    done: float
    total: float | None
    note: str
    at: Moment


class GoingShape(Shape):
    """A part of a run that runs."""

    key: str
    trigger: str
    function: str
    attempts: int
    progress: ProgressShape | None


class FollowedRunShape(RunShape):
    """A run, and up to twenty of its parts that run, as a stream tells of them."""

    going: list[GoingShape]


class BegunShape(Shape):
    """A run that was begun."""

    key: str


class BeginBody(Body):
    """What the first step of a run gets."""

    data: Any = None


class ScheduleShape(Shape):
    """A schedule, when it ran and when it will."""

    name: str
    function: str
    cron: str
    time_zone: str
    next: Moment
    last: Moment | None


class CountShape(Shape):
    """How many it were."""

    count: int


class RedriveBody(Body):
    """Whose dead and cancelled deliveries shall begin anew."""

    trigger: str


class PurgeEventsBody(Body):
    """Which events to forget: those of which no delivery is open and one is in this state."""

    state: Literal["delivered", "dead", "cancelled"]
    trigger: str = ""
