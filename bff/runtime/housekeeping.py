"""What a gateway does by itself, beside its calls: it evicts who idles, follows the store, and moves releases on."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from bff.clock import Clock
from bff.config import Config
from bff.revisions.judgement import Verdict
from bff.runtime.follower import Follower
from bff.runtime.function import Function
from bff.runtime.keeper import Keeper
from bff.runtime.ledger import StoreLedger
from bff.runtime.mover import Mover
from bff.runtime.publisher import Publisher
from bff.runtime.releases import Releases
from bff.signals import Signals


class Housekeeping:
    """``config`` gives the configuration of now; ``holder`` is this gateway's name in the store; ``later`` runs what it
    is given until the gateway ends.
    """

    def __init__(
        self,
        *,
        functions: Callable[[], Mapping[str, Function]],
        publisher: Publisher,
        mover: Mover,
        holder: str,
        config: Callable[[], Config],
        clock: Clock,
        signals: Signals,
        later: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self._later = later
        self._keeper = Keeper(
            functions=functions, clock=clock, signals=signals, max_warm=config().gateway.max_warm
        )
        self._follower = Follower(publisher, functions=functions, clock=clock, signals=signals)
        self.releases = Releases(
            StoreLedger(mover, gateway=holder, functions=functions),
            holder=holder,
            config=lambda function: config().function(function).release,
            clock=clock,
            signals=signals,
        )

    async def learn(self) -> None:
        """Know from the store who gets the calls.

        Raises:
            StoreUnavailable: it cannot be read.

        """
        await self._follower.start()

    def keep_warm(self) -> None:
        """Evict who idles from now on."""
        self._later(self._keeper.run())

    def configure(self, config: Config) -> None:
        """Keep as many warm as the configuration says, at least and at most."""
        self._keeper.max_warm = config.gateway.max_warm
        self._keeper.keep_minimum()

    def verdict(self, function: str) -> Verdict | None:
        """The last one on a release that goes on; None without one, and where another gateway judges."""
        return self.releases.verdicts.get(function)

    def keep_up(self) -> None:
        """Publish the folder, follow the store and move releases on from now on."""
        self._later(self._follower.run())
        self._later(self.releases.run())
