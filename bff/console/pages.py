"""Every page there is, in the order of the navigation."""

from __future__ import annotations

from bff.admin.desk import House
from bff.console.causes import Causes
from bff.console.events import Deliveries
from bff.console.functions import Functions
from bff.console.happenings import Happenings
from bff.console.invocations import Invocations
from bff.console.meter import Meter
from bff.console.onefunction import OneFunction
from bff.console.overview import Overview
from bff.console.page import Page
from bff.console.pipelines import Pipelines
from bff.console.schedules import Schedules
from bff.console.standings import Standings
from bff.console.tryout import Tryout
from bff.console.upstreams import Upstreams


def pages_of(house: House) -> list[Page]:
    """All of them."""
    standings = Standings(house.functions, house.clock)
    meter = Meter(house.recorder) if house.recorder is not None else None
    return [
        *Overview(house, standings=standings, meter=meter).pages(),
        *Functions(house, standings=standings, meter=meter).pages(),
        *OneFunction(house, meter=meter).pages(),
        *Upstreams(house).pages(),
        *Invocations(house).pages(),
        *Causes(house).pages(),
        *Tryout(house).pages(),
        *Happenings(house).pages(),
        *Deliveries(house).pages(),
        *Pipelines(house).pages(),
        *Schedules(house).pages(),
    ]
