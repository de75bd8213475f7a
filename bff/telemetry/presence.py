"""Which label sets go: those of revisions that no call can come from any more, and of endpoints that have left.

A revision is looked for at each scrape and whenever traffic of its function moves. What is absent at two looks in a
row is dropped: so a scrape still sees its last calls, and where nobody scrapes nothing piles up.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from bff.telemetry.families import Family, Labels

Known = Callable[[str], Collection[str]]
"""The names of a function's revisions that are still about."""


class Presence:
    """Mutable state: ``_revisions`` that have series, by function; ``_leaving``, those that were absent at the last
    look; ``_endpoints`` by service, as discovery last told them.
    """

    def __init__(
        self,
        families: Iterable[Family[object]],
        known: Known | None,
        on_drop: Callable[[], object] = lambda: None,
    ) -> None:
        """``on_drop`` is for who remembers series of its own."""
        self._families = [each for each in families if "revision" in each.labels]
        self._of_endpoints = [
            (each, each.labels.index("service"), each.labels.index("endpoint"))
            for each in families
            if "endpoint" in each.labels
        ]
        self._known = known
        self._on_drop = on_drop
        self._revisions: dict[str, set[str]] = {}
        self._leaving: set[tuple[str, str]] = set()
        self._endpoints: dict[str, frozenset[str]] = {}
        for family in self._families:
            family.on_new = self._came

    def _came(self, _family: Family[object], labels: Labels) -> None:
        # Function and revision are the first two labels of every family that has them.
        if labels[1]:
            self._revisions.setdefault(labels[0], set()).add(labels[1])

    def look(self, functions: Iterable[str] | None = None) -> None:
        """Drop what is absent for the second time; of these functions, or of all."""
        if self._known is None:
            return
        for function in list(self._revisions if functions is None else functions):
            absent = self._revisions.get(function, set()).difference(self._known(function))
            gone = {each for each in absent if (function, each) in self._leaving}
            self._leaving -= {each for each in self._leaving if each[0] == function}
            self._leaving |= {(function, each) for each in absent - gone}
            if gone:
                self._drop(function, gone)

    def _drop(self, function: str, gone: set[str]) -> None:
        left = self._revisions[function]
        left -= gone
        if not left:
            del self._revisions[function]
        for family in self._families:
            family.drop(lambda labels: labels[0] == function and labels[1] in gone)
        self._on_drop()

    def endpoints_changed(self, service: str, endpoints: Iterable[str]) -> None:
        """Discovery tells these of a service now; series of those that have left go."""
        now = frozenset(endpoints)
        gone = self._endpoints.get(service, frozenset()) - now
        self._endpoints[service] = now
        for family, at_service, at_endpoint in self._of_endpoints if gone else ():
            family.drop(
                lambda labels, s=at_service, e=at_endpoint: labels[s] == service and labels[e] in gone  # type: ignore[misc]
            )

    def services_changed(self, declared: Collection[str], replaced: Collection[str]) -> None:
        """routes.yaml declares these services now; of those that are new or gone no endpoint is known any more."""
        for name in [each for each in self._endpoints if each not in declared]:
            del self._endpoints[name]
        for family, at_service, _ in self._of_endpoints:
            family.drop(
                lambda labels, s=at_service: labels[s] not in declared or labels[s] in replaced  # type: ignore[misc]
            )
