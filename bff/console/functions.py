"""All functions: their state, what they cost, how they scale; found by a part of their name."""

from __future__ import annotations

from collections import Counter
from typing import Any

from bff.admin.desk import House
from bff.admin.operation import Asked, Query
from bff.console.meter import Cell, Meter
from bff.console.page import Facts, Page
from bff.console.standings import Standing, Standings, condition

ROWS = 50
WINDOW = 10
CONDITIONS = ("warm", "cold", "failing")


class Functions:
    """Mutable state is the meter's."""

    def __init__(self, house: House, *, standings: Standings, meter: Meter | None) -> None:
        self._house = house
        self._clock = house.clock
        self._standings = standings
        self._meter = meter

    def pages(self) -> list[Page]:
        """The list."""
        return [
            Page(
                name="functions",
                path="/console/functions",
                title="Functions",
                facts=self._list,
                nav="Functions",
                key="f",
                query=(
                    Query(name="filter", says="A part of the name."),
                    Query(name="state", says="warm, cold or failing."),
                    Query(name="page", says="Which fifty, from 1.", kind=int, bounds=(1, 10_000)),
                ),
                parts=("rows",),
            )
        ]

    async def _list(self, asked: Asked) -> Facts:
        wanted, state = asked.query.get("filter", "").strip().lower(), asked.query.get("state", "")
        standings = self._standings.all()
        found = [each for each in standings if wanted in each["name"].lower() and _is_in(each, state)]
        pages = max(1, -(-len(found) // ROWS))
        page = min(asked.query.get("page", 1), pages)
        shown = found[(page - 1) * ROWS : page * ROWS]
        return {
            "filter": asked.query.get("filter", ""),
            "state": state,
            "states": CONDITIONS,
            "all": len(standings),
            "found": len(found),
            "page_number": page,
            "first": (page - 1) * ROWS + 1,
            "pages": pages,
            "rows": [self._row(each["name"]) for each in shown],
        }

    def _row(self, name: str) -> dict[str, Any]:
        """How one stands at this moment: what is known of all of them may be a while old."""
        now, cell = self._clock.now(), Cell()
        if self._meter is not None:
            self._meter.catch_up(now)
            cell = self._meter.over(WINDOW, now, name)
        seen = self._house.closeups(name)
        states: Counter[str] = Counter()
        for each in seen:
            states.update(each.states)
        return {
            **self._house.functions()[name].status(),
            "cell": cell,
            "window": WINDOW,
            "states": dict(states),
            "memory": sum(process.memory for each in seen for process in each.processes),
        }


def _is_in(standing: Standing, state: str) -> bool:
    if state == "warm":
        return bool(standing["instances"])
    if state == "cold":
        return not standing["instances"] and not standing["failure"]
    return not state or condition(standing) == state
