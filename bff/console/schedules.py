"""Schedules: when each ran and when it will, and a button that runs it now."""

from __future__ import annotations

from bff.admin.desk import House
from bff.admin.operation import Asked
from bff.console.page import Facts, Page

MOST_ROWS = 50


class Schedules:
    """Immutable."""

    def __init__(self, house: House) -> None:
        self._operating = house.events

    def pages(self) -> list[Page]:
        """The one there is."""
        return [
            Page(
                name="schedules",
                path="/console/schedules",
                title="Schedules",
                facts=self._list,
                nav="Schedules",
                key="c",
                parts=("rows",),
            )
        ]

    async def _list(self, _: Asked) -> Facts:
        operating = self._operating()
        rows = [] if operating is None else await operating.schedules()
        return {"all": len(rows), "rows": sorted(rows, key=lambda each: each["next"])[:MOST_ROWS]}
