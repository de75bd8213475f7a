"""Failures grouped by what caused them, each with the function's own frame."""

from __future__ import annotations

from typing import Any

from bff.admin.desk import House
from bff.admin.operation import Asked, Query
from bff.admin.telling import Teller
from bff.console.page import Facts, Page

MOST_ROWS = 40
FAULTS = ("function", "service", "gateway", "caller")


class Causes:
    """Immutable."""

    def __init__(self, house: House) -> None:
        self._recorder = house.recorder
        self._clock = house.clock

    def pages(self) -> list[Page]:
        """The one there is."""
        return [
            Page(
                name="errors",
                path="/console/errors",
                title="Errors",
                facts=self._list,
                nav="Errors",
                key="e",
                query=(
                    Query(name="filter", says="A part of a function's name, or of what went wrong."),
                    Query(name="fault", says=f"Whose fault: {', '.join(FAULTS)}."),
                ),
                parts=("rows",),
            )
        ]

    async def _list(self, asked: Asked) -> Facts:
        text, fault = asked.query.get("filter", "").strip(), asked.query.get("fault", "")
        teller = Teller(self._clock.wall() - self._clock.now())
        groups = [] if self._recorder is None else list(self._recorder.causes.groups())
        found = [each for each in groups if fault in ("", str(each.fault))]
        told = [teller.cause(each) for each in found]
        shown = [each for each in told if _has(each, text.lower())]
        return {
            "filter": text,
            "fault": fault,
            "faults": FAULTS,
            "is_recorded": self._recorder is not None,
            "all": len(groups),
            "found": len(shown),
            "rows": shown[:MOST_ROWS],
        }


def _has(told: dict[str, Any], text: str) -> bool:
    named = ("function", "code", "sentence", "cause", "service", "place")
    return not text or any(text in str(told[name]).lower() for name in named)
