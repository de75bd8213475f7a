"""A service that is in several places: which one a call goes to, by lane, by rule, by weight.

Sending is each place's own client's. With weights, all calls that one page view makes to the service go to the
same place, so that what a page shows is from one version.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from bff.config import ServiceConfig
from bff.config.service import SubsetConfig
from bff.sdk.asked import Facts, conditions_of, fields_of, meeting
from bff.sdk.call import SendOptions
from bff.sdk.invocation import Invocation
from bff.sdk.spread import PERCENT, Spread
from bff.services.client import ServiceClient
from bff.services.selection import EVERYTHING, Selection

if TYPE_CHECKING:
    import httpx

    from bff.sdk.begun import Begins
    from bff.services.endpoints import Member

_OF_THE_URL: Mapping[str, Any] = {"subsets": {}, "endpoints": (), "discovery": None}
"""What says where a service's own URL leads; a subset with a URL is where that says."""

Make = Callable[[str, ServiceConfig, Selection], ServiceClient]


class Subsets:
    """Has the face of :class:`ServiceClient`. Never changes."""

    fast_path: Begins | None = None  # which place's it would be is not known before the call

    __slots__ = (
        "_bounds",
        "_by_lane",
        "_places",
        "_rules",
        "_spread",
        "_subsets",
        "_wanted",
        "config",
        "name",
    )

    def __init__(self, name: str, config: ServiceConfig, make: Make) -> None:
        self.name = name
        self.config = config
        subsets = {
            subset: _place(name, config, subset, each, make) for subset, each in config.subsets.items()
        }
        self._subsets = subsets
        self._by_lane = {
            lane: subsets[subset]
            for subset, each in reversed(list(config.subsets.items()))
            for lane in (*each.lanes, subset)
        }
        rules = [
            (conditions_of(rule), subsets[subset])
            for subset, each in config.subsets.items()
            for rule in each.match
        ]
        self._rules = [(meeting(conditions), place) for conditions, place in rules]
        self._wanted = fields_of(condition for conditions, _ in rules for condition in conditions)
        weighted = [(each.weight, subsets[subset]) for subset, each in config.subsets.items() if each.weight]
        self._bounds = [reached * PERCENT for reached in accumulate(weight for weight, _ in weighted)]
        labelled = tuple(each.labels for each in config.subsets.values() if each.labels)
        rest = make(name, config.model_copy(update={"subsets": {}}), Selection(others=labelled))
        self._places = [*(place for _, place in weighted), rest]
        self._spread = Spread(f"service {name}")

    def of(self, invocation: Invocation) -> ServiceClient:
        """The client of the place that this invocation's calls go to."""
        if invocation.lane and (place := self._by_lane.get(invocation.lane)) is not None:
            return place
        if self._rules:
            facts = Facts(invocation, self._wanted)
            for is_met, place in self._rules:
                if is_met(facts):
                    return place
        if not self._bounds:
            return self._places[0]
        return self._places[bisect_right(self._bounds, self._spread(invocation.request_id))]

    async def send(
        self, invocation: Invocation, method: str, path: str, options: SendOptions
    ) -> httpx.Response:
        """As :meth:`ServiceClient.send`, of the place that was chosen."""
        return await self.of(invocation).send(invocation, method, path, options)

    @property
    def passing(self) -> int:
        """Requests that pass through to any of the places now."""
        return sum(place.passing for place in self.places.values())

    @property
    def members(self) -> tuple[Member, ...]:
        """The endpoints of every place."""
        return tuple(member for place in self.places.values() for member in place.members)

    def follow(self) -> None:
        """As :meth:`ServiceClient.follow`, for every place."""
        for each in self.places.values():
            each.follow()

    @property
    def places(self) -> Mapping[str, ServiceClient]:
        """Its subsets by name; the one without a name gets what none of them takes."""
        return {**self._subsets, "": self._places[-1]}

    def relays_credentials(self, invocation: Invocation) -> bool:
        """Whether the caller's own credential travels with this invocation's calls."""
        return self._places[-1].relays_credentials(invocation)

    async def aclose(self) -> None:
        """Close every place's connections."""
        for each in self.places.values():
            await each.aclose()

    def __repr__(self) -> str:
        return f"<Subsets of {self.name}: {', '.join(self.config.subsets)}>"


def _place(name: str, config: ServiceConfig, subset: str, asked: SubsetConfig, make: Make) -> ServiceClient:
    if asked.labels:
        place = config.model_copy(update={"subsets": {}})
        return make(name, place, Selection(subset=subset, labels=asked.labels))
    return make(name, config.model_copy(update={"url": asked.url, **_OF_THE_URL}), EVERYTHING)
