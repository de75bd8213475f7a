"""Every operation of the admin listener. Imported when the first of them is asked for, or ahead of that once the
gateway listens: the types of what they take and give cost ten milliseconds that no start has to wait for.
"""

from __future__ import annotations

from bff.admin import openapi
from bff.admin.caching import Caching
from bff.admin.deploying import Deploying
from bff.admin.desk import House
from bff.admin.events import Events
from bff.admin.health import Health
from bff.admin.journal import JournalPages
from bff.admin.moving import Moving
from bff.admin.operation import Operation
from bff.admin.pipelines import Pipelines
from bff.admin.reading import Reading
from bff.admin.recordings import Recordings
from bff.admin.releases import Releases
from bff.admin.services import Services
from bff.admin.tokens import Tokens
from bff.admin.trying import Trying
from bff.admin.verbosity import Loudness


def operations(house: House) -> list[Operation]:
    """All of them, their description included."""
    functions, store, clock = house.functions, house.store, house.clock
    return openapi.described(
        [
            *Health(functions=functions, is_ready=house.is_ready, metrics=house.metrics).operations(),
            *Reading(
                functions=functions, store=store, unpack=house.unpack, describe=house.describe
            ).operations(),
            *Deploying(functions=functions, desk=house.desk).operations(),
            *Moving(functions=functions, desk=house.desk).operations(),
            *Releases(functions=functions, store=store, clock=clock, is_ready=house.is_ready).operations(),
            *Caching(house.purge).operations(),
            *Loudness(house.logging, functions).operations(),
            *Events(house.events).operations(),
            *Pipelines(house.stages, clock=clock, is_ready=house.is_ready).operations(),
            *Services(house.backends, house.recorder, clock=clock).operations(),
            *JournalPages(house.journal, functions, clock=clock, is_ready=house.is_ready).operations(),
            *Trying(house.public, house.recorder, clock=clock).operations(),
            *Recordings(house.recorder, clock=clock, is_ready=house.is_ready).operations(),
            *Tokens(store=store, clock=clock).operations(),
        ]
    )
