"""A page on which public routes are tried: a form made of a route's schema, and what was answered."""

from __future__ import annotations

import json

from bff.admin.desk import House
from bff.admin.operation import Asked, Query
from bff.console.page import Facts, Page
from bff.console.routeforms import FAULTS, RouteForm, forms_of, wanted_of

FRESH = 10.0
"""Seconds for which forms are shown again as they are, unless something has become live: making the document of five
hundred functions takes a third of a second."""


class Tryout:
    """What is sent goes through the admin API, by the browser. Mutable state: ``_made``, the forms, until when they are
    fresh, and what the journal had come to.
    """

    def __init__(self, house: House) -> None:
        self._public = house.public
        self._backends = house.backends
        self._journal = house.journal
        self._clock = house.clock
        self._made: tuple[list[RouteForm], float, int] = ([], float("-inf"), 0)

    def pages(self) -> list[Page]:
        """The one there is."""
        return [
            Page(
                name="try",
                path="/console/try",
                title="Try a route",
                facts=self._facts,
                nav="Try it",
                key="t",
                query=(
                    Query(name="route", says="Which one: GET /api/home/{user_id}."),
                    Query(name="function", says="The first one of this function."),
                ),
            )
        ]

    async def _facts(self, asked: Asked) -> Facts:
        forms = await self._forms()
        wanted = wanted_of(forms, asked.query.get("route", ""), asked.query.get("function", ""))
        return {
            "forms": forms,
            "form": wanted,
            "public": self._public.url(),
            "services": sorted(self._backends.pool.clients) if self._public.is_dev else [],
            "faults": FAULTS,
        }

    async def _forms(self) -> list[RouteForm]:
        forms, until, happened = self._made
        now, last = self._clock.now(), self._journal.last
        if now >= until or happened != last:
            forms = forms_of(json.loads(await self._public.document()))
            self._made = forms, now + FRESH, last
        return forms
