"""Triggers: which events reach which function, and what happens when it fails. Words and defaults are Knative's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from bff.config import jsonpath
from bff.config.auth import Demand
from bff.config.pattern import Pattern
from bff.config.section import FROZEN, Count, OrEmpty, Section, wrong
from bff.config.units import DURATION_PATTERN, Duration, Size, parse_duration

DAY = 86_400.0
_TRIGGER = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
_ATTRIBUTE = re.compile(r"[a-z0-9]{1,64}")
# ISO 8601-1 §5.5.2.2 without years and months, which have no fixed length.
_ISO = re.compile(
    r"P(?:([0-9]{1,4})D)?(?:T(?=[0-9])(?:([0-9]{1,6})H)?(?:([0-9]{1,6})M)?(?:([0-9]{1,9}(?:\.[0-9]{1,6})?)S)?)?"
)
ISO_PATTERN = rf"^{_ISO.pattern}$|{DURATION_PATTERN}"

Scalar = str | int | float | bool | None


def iso_duration(value: Any) -> Any:
    """Seconds of ``PT1M30S``, or of ``1m30s``; zero is allowed."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise wrong("needs a unit; write PT1S or 1s")
    if not isinstance(value, str):
        raise wrong("is not a duration; write PT1S, PT5M or P1D, or 1s, 5m or 1d")
    match = _ISO.fullmatch(value)
    if match is not None and len(value) > 2 and not value.endswith("T"):
        parts = zip(match.groups(), (DAY, 3600.0, 60.0, 1.0), strict=True)
        return sum(float(number) * unit for number, unit in parts if number)
    try:
        return parse_duration(value)
    except ValueError:
        raise wrong("is not a duration; write PT1S, PT5M or P1D, or 1s, 5m or 1d") from None


IsoDuration = Annotated[
    float,
    BeforeValidator(iso_duration),
    WithJsonSchema({"type": "string", "pattern": ISO_PATTERN, "examples": ["PT1S", "PT5M", "30s"]}),
]
"""Seconds, written as ISO 8601 has them, which Knative takes, or as everywhere else in routes.yaml."""


def trigger_name(text: str) -> str:
    """The name of a trigger as it stands, or an error."""
    if not _TRIGGER.fullmatch(text):
        raise wrong("is not the name of a trigger: lower-case letters, digits and -, beginning with a letter")
    return text


def _key(text: str) -> str:
    if text.startswith("$"):
        try:
            jsonpath.parsed(text)
        except ValueError as error:
            raise wrong("is not a path into the data", hint=f": it {error}") from None
    elif not _ATTRIBUTE.fullmatch(text):
        raise wrong("is neither an attribute of CloudEvents, lower-case a-z0-9, nor a path such as $.plan")
    return text


Key = Annotated[str, AfterValidator(_key)]
Wanted = Annotated[Mapping[Key, Scalar], *FROZEN]
Beginning = Annotated[Mapping[Key, str], *FROZEN]
KINDS = ("exact", "prefix", "suffix", "all", "any", "not")


class FilterConfig(Section):
    """One condition on an event, in Knative's dialects; a key that begins with $ is a path into its data."""

    model_config = ConfigDict(populate_by_name=True)

    exact: Wanted | None = Field(default=None, description="Attributes that are equal to these, all of them.")
    prefix: Beginning | None = Field(default=None, description="Attributes that begin so, all of them.")
    suffix: Beginning | None = Field(default=None, description="Attributes that end so, all of them.")
    all: tuple[FilterConfig, ...] | None = Field(default=None, description="Every one of these filters.")
    any: tuple[FilterConfig, ...] | None = Field(default=None, description="At least one of these filters.")
    not_: FilterConfig | None = Field(
        default=None, alias="not", description="Anything but what this matches."
    )

    @model_validator(mode="after")
    def _is_one(self) -> FilterConfig:
        said = [kind for kind in KINDS if getattr(self, kind.replace("not", "not_")) is not None]
        if len(said) != 1:
            raise wrong("has exactly one of exact, prefix, suffix, all, any and not")
        if getattr(self, said[0].replace("not", "not_")) in ({}, ()):
            raise wrong("has nothing to compare; a trigger without filters gets every event")
        return self


class DeliveryConfig(Section):
    """What happens when the function fails (Knative's delivery spec; the defaults are those of its broker)."""

    retry: Count = Field(default=10, ge=0, le=100, description="Attempts after the first one.")
    backoff_policy: Literal["exponential", "linear"] = Field(
        default="exponential", alias="backoffPolicy", description="Whether waits double, or grow evenly."
    )
    backoff_delay: IsoDuration = Field(
        default=0.2, alias="backoffDelay", description="The wait before the second attempt."
    )
    backoff_max: IsoDuration = Field(
        default=3600.0, alias="backoffMax", description="The longest wait between two attempts."
    )
    timeout: IsoDuration | None = Field(
        default=None, gt=0, description="How long one attempt may take, instead of the function's timeout."
    )
    retry_after_max: IsoDuration | None = Field(
        default=None,
        alias="retryAfterMax",
        description="The longest wait that Retry-After of a 429 or 503 can ask for; PT0S: it is not heeded.",
    )
    dead_letter_sink: str = Field(
        default="",
        alias="deadLetterSink",
        description="The function that gets an event which could not be delivered.",
    )


class RateConfig(Section):
    """So many attempts in so long, counted over all processes that share the store."""

    events: Count = Field(ge=1, le=1_000_000, description="Attempts within one window.")
    window: IsoDuration = Field(default=1.0, gt=0, description="The time they are spread over.")
    burst: Count | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="Attempts at once after a rest; all of `events` unless told.",
    )


class TriggerConfig(Section):
    """Events that meet every filter reach the function."""

    function: str = Field(description="The function that gets the events (Knative's subscriber).")
    filters: tuple[FilterConfig, ...] = Field(
        default=(), description="What an event must be, all of it; without filters every event."
    )
    delivery: Annotated[DeliveryConfig, OrEmpty] = Field(
        default=DeliveryConfig(), description="Retries, and what becomes of events that cannot be delivered."
    )
    concurrency: Count = Field(
        default=0, ge=0, le=10_000, description="Most events the function gets at a time here; 0: no limit."
    )
    rate: RateConfig | None = Field(
        default=None, description="Most attempts in a time, on all machines together; absent: no limit."
    )
    order: Annotated[str, AfterValidator(lambda text: _key(text) if text else text)] = Field(
        default="",
        description="An attribute or a path: events with the same value are delivered one after the other.",
    )


def plain_path(text: str) -> str:
    """A path without parameters, or an error."""
    try:
        pattern = Pattern.parse(text)
    except ValueError as error:
        raise wrong("is not a usable path", hint=f": {error}") from None
    if pattern.parameters:
        raise wrong("has parameters; write a path without any, such as /events")
    return text


class ClaimsConfig(Section):
    """Where answers of steps are kept that are too large for the store."""

    folder: Path = Field(
        description="A folder, seen from routes.yaml, that every process reaches which works on pipelines."
    )
    max_size: Size = Field(default=64 * 2**20, description="Largest answer of a step; it is held in memory.")


class EventsConfig(Section):
    """How events come in, and how many may be on their way."""

    path: Annotated[str, AfterValidator(plain_path)] | None = Field(
        default=None, description="Where the public listener takes events, such as /events; absent: nowhere."
    )
    auth: Demand | None = Field(
        default=None, description="What that path asks of its callers, instead of defaults.auth."
    )
    max_body: Size | None = Field(
        default=None, description="Largest event or batch, instead of gateway.max_body."
    )
    batch: Count = Field(default=100, ge=1, le=10_000, description="Most events in one batch.")
    backlog: Count = Field(
        default=100_000, ge=1, description="Most deliveries that may be open; beyond that events are refused."
    )
    concurrency: Count = Field(
        default=16, ge=1, le=10_000, description="Most deliveries this gateway makes at a time."
    )
    claims: ClaimsConfig | None = Field(
        default=None,
        description="Answers of steps beyond 1 MiB as files that the next step gets; absent: such an answer fails.",
    )
    retention: Duration = Field(
        default=7 * DAY, description="How long events are kept once all of their deliveries have ended."
    )


TriggerName = Annotated[str, AfterValidator(trigger_name)]
Triggers = Annotated[Mapping[TriggerName, TriggerConfig], OrEmpty, *FROZEN]
