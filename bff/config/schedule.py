"""Schedules: functions that run by the clock. Cron's fields, with seconds where there are six of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from bff.config.section import FROZEN, OrEmpty, Section, no_entries, wrong
from bff.config.trigger import DeliveryConfig, TriggerName


def _cron(text: str) -> str:
    from datetime import UTC, datetime

    from cronsim import CronSim, CronSimError

    try:
        next(CronSim(text, datetime.now(UTC)))
    except CronSimError as error:
        remedy = "write minute, hour, day, month and weekday, such as */5 * * * *"
        raise wrong("is not a cron expression", hint=f": {str(error).lower()}; {remedy}") from None
    except StopIteration:
        raise wrong("is a moment that never comes") from None
    return text


def _zone(text: str) -> str:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise wrong(
            "is no time zone that this machine knows; write Europe/Zurich, or install the package tzdata"
        ) from None
    return text


class ScheduleConfig(Section):
    """A function gets an event each time, on one gateway of all that share the store."""

    cron: Annotated[str, AfterValidator(_cron)] = Field(
        description="When: minute, hour, day, month, weekday; or second first."
    )
    function: str = Field(description="The function that runs.")
    time_zone: Annotated[str, AfterValidator(_zone)] = Field(
        default="UTC", description="By which clock on the wall, such as Europe/Zurich."
    )
    data: Annotated[Mapping[str, Any], OrEmpty, *FROZEN] = Field(
        default_factory=no_entries, description="The data of its events."
    )
    overlap: Literal["skip", "allow"] = Field(
        default="skip",
        description="What happens when the run before has not ended: it is left out, or runs beside it.",
    )
    missed: Literal["skip", "last"] = Field(
        default="skip",
        description="What happens when nobody was there for more than a minute: nothing, or the last one runs late.",
    )
    delivery: Annotated[DeliveryConfig, OrEmpty] = Field(
        default=DeliveryConfig(), description="Retries, as of a trigger."
    )


Schedules = Annotated[Mapping[TriggerName, ScheduleConfig], OrEmpty, *FROZEN]
