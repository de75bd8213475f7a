"""What happened to the gateway itself, newest first; and what is on disk and does not serve as it is."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice

from bff.admin.desk import House
from bff.admin.journal import JournalPages
from bff.admin.operation import Asked, Query
from bff.console.page import Facts, Page

ROWS = 50
WORDS: Mapping[str, str] = {
    "revision-ready": "live",
    "load-failed": "not loaded",
    "warm-up-failed": "not warm",
    "instance-dead": "replaced",
    "config-applied": "applied",
    "config-rejected": "rejected",
    "release": "release",
    "endpoint-ejected": "left alone",
    "endpoint-returned": "called again",
}
"""What happened, in a badge."""
GOOD = ("revision-ready", "config-applied", "endpoint-returned")


class Happenings:
    """Immutable."""

    def __init__(self, house: House) -> None:
        self._journal = house.journal
        self._told = JournalPages(house.journal, house.functions, clock=house.clock, is_ready=house.is_ready)

    def pages(self) -> list[Page]:
        """The one there is."""
        return [
            Page(
                name="journal",
                path="/console/journal",
                title="Journal",
                facts=self._facts,
                nav="Journal",
                key="j",
                query=(
                    Query(
                        name="filter", says="A part of a function's or a service's name, or of what is said."
                    ),
                    Query(name="bad", says="true: only what somebody should look at.", kind=bool),
                ),
                parts=("rows",),
            )
        ]

    async def _facts(self, asked: Asked) -> Facts:
        text, is_bad = asked.query.get("filter", "").strip(), asked.query.get("bad", False)
        fitting = (
            each
            for each in self._journal.newest()
            if (each.is_bad or not is_bad) and text.lower() in f"{each.subject} {each.said}".lower()
        )
        return {
            "filter": text,
            "bad": is_bad,
            "broken": self._told.broken(),
            "rows": [self._told.told(each) for each in islice(fitting, ROWS)],
            "most": ROWS,
            "all": self._journal.last,
            "words": WORDS,
            "good": GOOD,
        }
