"""What becomes of an event and of each attempt to deliver it. Pure: ``now`` comes in, what to do goes out.

The rules are Knative's: its filters, its delivery spec, and which answers are worth another attempt
(https://github.com/knative/specs/blob/main/specs/eventing/data-plane.md, "Event Acknowledgement and Delivery Retry").
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from pydantic_core import to_json

from bff.config import DeliveryConfig, FilterConfig, TriggerConfig
from bff.config.jsonpath import ABSENT
from bff.config.trigger import RateConfig
from bff.events.filters import Clause, Look, compiled, look
from bff.frozen import frozen
from bff.sdk.cloudevent import CloudEvent
from bff.sdk.gcra import Rate

RETRIED = frozenset({404, 408, 409, 429})
"""Answers below 500 that may be different another time (Knative's data plane)."""
HEEDED = frozenset({429, 503})
"""Answers whose Retry-After counts (Knative's ``retryAfterMax``)."""
MOST_ERROR_DATA = 1024
"""Characters of a failed answer that its dead letter carries (Knative's limit for ``knativeerrordata``)."""


@frozen
class Trigger:
    """A trigger of routes.yaml, ready to be asked."""

    name: str
    function: str
    delivery: DeliveryConfig
    concurrency: int
    clause: Clause
    key: Look | None
    rate: Rate | None = None

    def lane_of(self, event: CloudEvent) -> str:
        """What events have in common that are delivered one after the other; "" where order does not matter."""
        value = ABSENT if self.key is None else self.key(event)
        return "" if value is ABSENT else f"{self.name}:{to_json(value).decode()[:200]}"


@frozen
class Decision:
    """Whether a trigger gets an event; ``why_not`` names the clause that failed, "" when all were met."""

    trigger: Trigger
    why_not: str

    @property
    def matched(self) -> bool:
        """Whether the event is delivered."""
        return not self.why_not


def triggers_of(config: Mapping[str, TriggerConfig]) -> tuple[Trigger, ...]:
    """The triggers of a routes.yaml, in the order in which they stand there."""
    return tuple(
        Trigger(
            name=name,
            function=each.function,
            delivery=each.delivery,
            concurrency=each.concurrency,
            clause=compiled(each.filters),
            key=look(each.order) if each.order else None,
            rate=_rate_of(each.rate),
        )
        for name, each in config.items()
    )


def _rate_of(config: RateConfig | None) -> Rate | None:
    if config is None:
        return None
    return Rate(interval=config.window / config.events, burst=config.burst or config.events)


def trigger_of(
    name: str,
    function: str,
    filters: Iterable[FilterConfig],
    *,
    delivery: DeliveryConfig | None = None,
    concurrency: int = 0,
) -> Trigger:
    """A trigger that stands under another heading of routes.yaml."""
    return Trigger(
        name=name,
        function=function,
        delivery=delivery or DeliveryConfig(),
        concurrency=concurrency,
        clause=compiled(filters),
        key=None,
    )


def digest_of(config: Mapping[str, TriggerConfig]) -> str:
    """A short name for a set of triggers: events remember which one decided on them."""
    told = {name: each.model_dump(mode="json") for name, each in config.items()}
    return hashlib.sha256(to_json(told)).hexdigest()[:16]


def decide(event: CloudEvent, triggers: Iterable[Trigger]) -> list[Decision]:
    """What each trigger says about an event."""
    return [Decision(trigger=each, why_not=each.clause(event)) for each in triggers]


@frozen
class Outcome:
    """How an attempt ended: a status as HTTP has it, and for failures a code, a sentence and what was said.

    ``retry_after`` is the field's text, "" where there was none.
    """

    status: int
    code: str = ""
    detail: str = ""
    data: str = ""
    retry_after: str = ""

    @property
    def is_good(self) -> bool:
        """Whether the event is delivered."""
        return 200 <= self.status < 300

    @property
    def may_change(self) -> bool:
        """Whether another attempt could end better."""
        return self.status >= 500 or self.status in RETRIED


@frozen
class Retry:
    """Try again, not before ``at`` (Unix time)."""

    at: float


class Delivered:
    """There is nothing more to do."""


class Dead:
    """It cannot be delivered."""


DELIVERED, DEAD = Delivered(), Dead()
Next = Retry | Delivered | Dead


def after(outcome: Outcome, attempt: int, policy: DeliveryConfig, now: float) -> Next:
    """What follows on an attempt; ``attempt`` counts from 1."""
    if outcome.is_good:
        return DELIVERED
    if not outcome.may_change or attempt > policy.retry:
        return DEAD
    return Retry(at=now + max(wait(attempt, policy), _asked_for(outcome, policy, now)))


def wait(attempt: int, policy: DeliveryConfig) -> float:
    """Seconds between this attempt, from 1, and the next: as Knative counts them, the first is the delay itself."""
    factor = float(attempt) if policy.backoff_policy == "linear" else 2.0 ** min(attempt - 1, 60)
    return min(policy.backoff_delay * factor, policy.backoff_max)


def _asked_for(outcome: Outcome, policy: DeliveryConfig, now: float) -> float:
    if outcome.status not in HEEDED or not outcome.retry_after:
        return 0.0
    asked = _seconds(outcome.retry_after, now)
    return asked if policy.retry_after_max is None else min(asked, policy.retry_after_max)


def _seconds(text: str, now: float) -> float:
    """Of a Retry-After field (RFC 9110 §10.2.3): seconds or a date; 0 for what is neither."""
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except ValueError:
        return 0.0


def dead_letter(event: CloudEvent, outcome: Outcome, destination: str) -> CloudEvent:
    """The event with Knative's three words on why it could not be delivered; the data is unchanged."""
    said: dict[str, Any] = {
        "knativeerrordest": destination,
        "knativeerrorcode": outcome.status,
        "knativeerrordata": _printable(outcome.data or outcome.detail)[:MOST_ERROR_DATA],
    }
    from dataclasses import replace

    return replace(event, extensions={**event.extensions, **{k: v for k, v in said.items() if v != ""}})


def _printable(text: str) -> str:
    """What may stand in an attribute: no control characters, and nothing beyond Unicode."""
    return "".join(each if each.isprintable() else " " for each in text)


def moment(at: float) -> str:
    """Unix time as the ``time`` of an event."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
