"""A page on which public routes are tried: a form made of a route's schema, and what was answered."""

from __future__ import annotations

import json

from bff.admin.desk import House
from bff.admin.operation import Asked, Query
from bff.console.page import Facts, Page
from bff.console.routeforms import FAULTS, forms_of, wanted_of


class Tryout:
    """Immutable. What is sent goes through the admin API, by the browser."""

    def __init__(self, house: House) -> None:
        self._public = house.public
        self._backends = house.backends

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
        forms = forms_of(json.loads(await self._public.document()))
        wanted = wanted_of(forms, asked.query.get("route", ""), asked.query.get("function", ""))
        return {
            "forms": forms,
            "form": wanted,
            "public": self._public.url(),
            "services": sorted(self._backends.pool.clients) if self._public.is_dev else [],
            "faults": FAULTS,
        }
