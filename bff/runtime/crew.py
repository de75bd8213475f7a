"""The threads of a gateway: who reads, who imports, who keeps the store."""

from __future__ import annotations

from bff.clock import Clock
from bff.runtime.loaderthreads import LoaderThreads
from bff.runtime.stuck import Stuck
from bff.runtime.threads import Threads


class Crew:
    """``loader`` runs module bodies, ``new_code`` those of code that never served, so that a deploy that takes its
    time stands in nobody's way; ``reader`` reads, parses and packs files, which no function can hold up; ``store``
    talks to the state store.
    """

    def __init__(self, *, clock: Clock, stuck: Stuck) -> None:
        self.stuck = stuck
        self.loader = LoaderThreads("bff-loader", clock=clock, stuck=stuck)
        self.new_code = LoaderThreads("bff-loader-new", clock=clock, stuck=stuck)
        self.reader = Threads("bff-reader", 1)
        self.store = Threads("bff-store", 1)

    def close(self) -> None:
        """Take no work any more; nobody waits for what hangs."""
        for each in (self.store, self.loader, self.reader, self.new_code):
            each.close()
