"""Events that functions publish: made of what they say, and handed to whoever stores them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from bff.sdk.cloudevent import CloudEvent, checked
from bff.sdk.context import Publish
from bff.sdk.eventfailures import NoEvents
from bff.sdk.eventrules import NAMED
from bff.sdk.invocation import Invocation

MOST_AT_ONCE = 1000
"""Events that one delivery may publish: they are stored in one transaction."""


def event_of(invocation: Invocation, kind: str, data: Any, attributes: Mapping[str, Any]) -> CloudEvent:
    """The event of what a function says.

    Raises:
        ValueError: it breaks the specification; every violation is named.

    """
    said = {name: value for name, value in attributes.items() if value is not None}
    named: dict[str, Any] = {name: said.pop(name) for name in NAMED if name in said}
    named.setdefault("id", _id_in(invocation))
    named.setdefault("source", f"/functions/{invocation.function}")
    named.setdefault("time", _moment(invocation.clock.wall()))
    if not isinstance(data, bytes | type(None)):
        data = (
            to_jsonable_python(data, by_alias=True)
            if not isinstance(data, BaseModel)
            else data.model_dump(mode="json", by_alias=True)
        )
        named.setdefault("datacontenttype", "application/json")
    return checked(CloudEvent(**{**named, "type": kind}, data=data, extensions=said))


def _id_in(invocation: Invocation) -> str:
    """In a delivery the same again in every attempt, so that what was stored once is not stored twice."""
    if invocation.outbox is None:
        return uuid.uuid4().hex
    return f"{invocation.request_id}-{len(invocation.outbox) + 1}"


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def publish(invocation: Invocation, store: Publish | None, event: CloudEvent) -> str:
    """Hand it over; its id.

    Raises:
        NoEvents: there is nobody to hand it to.
        ValueError: the delivery has published too much already.

    """
    if store is None:
        raise NoEvents
    if invocation.outbox is not None and len(invocation.outbox) >= MOST_AT_ONCE:
        raise ValueError(f"one delivery publishes at most {MOST_AT_ONCE} events")
    await store(invocation, event)
    return event.id
