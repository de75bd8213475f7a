"""What the admin API tells of what happened to the gateway itself, as types."""

from __future__ import annotations

from pydantic import Field

from bff.admin.shapes import Shape


class HappeningShape(Shape):
    """One thing that happened."""

    seq: int = Field(description="Counts them in their order.")
    at: str = Field(json_schema_extra={"format": "date-time"})
    what: str = Field(
        description=(
            "revision-ready, load-failed, warm-up-failed, instance-dead, config-applied, config-rejected, release,"
            " endpoint-ejected or endpoint-returned."
        )
    )
    bad: bool = Field(description="Whether somebody should look at it.")
    subject: str = Field(description="The function or the service; empty for the gateway.")
    revision: str = Field(description="The one that serves from then on, or still; may be empty.")
    said: str
    report: str = Field(description="Of a failure: the place, the cause and the remedy, in lines.")


class BrokenShape(Shape):
    """Something on disk that does not serve as it is."""

    subject: str = Field(description="The function; empty for routes.yaml.")
    report: str
    serving: str | None = Field(description="The revision that goes on; null where nothing serves.")


class NewsShape(Shape):
    """One event of the live stream."""

    happened: list[HappeningShape] = Field(description="The oldest first.")
    broken: list[BrokenShape] = Field(description="All that does not serve now.")
