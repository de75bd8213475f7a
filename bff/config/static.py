"""Data of a route that stands in routes.yaml: what a page shows where a service has nothing to say (KrakenD's static)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field
from pydantic_core import to_json

from bff.config.section import FROZEN, Section, wrong

Strategy = Literal["always", "success", "complete", "errored", "incomplete"]


def _as_json(data: Mapping[str, Any]) -> Mapping[str, Any]:
    if not data:
        raise wrong("is empty, so nothing would ever be added; name some members, or remove static")
    try:
        to_json(data, inf_nan_mode="constants")
    except ValueError:
        raise wrong("holds what JSON has no word for") from None
    return data


class StaticConfig(Section):
    """Members for the JSON object that a route answers with. Words and rules are KrakenD's."""

    data: Annotated[Mapping[str, Any], AfterValidator(_as_json), *FROZEN] = Field(
        description="The members, with their values; they win over the function's own."
    )
    strategy: Strategy = Field(
        description="When: always; on success, complete or not; complete: nothing is missing; errored: a service's "
        "failure left no page; incomplete: errored, or a part is missing."
    )
