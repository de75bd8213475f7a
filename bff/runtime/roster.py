"""The functions that there are, made and kept what routes.yaml says of them."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from bff.config import Config
from bff.errors import FunctionNotLoaded
from bff.revisions.choosing import choosing_of
from bff.revisions.snapshot import Snapshot
from bff.runtime.function import Function
from bff.runtime.invoker import Invoker
from bff.runtime.isolation.forkserver import ForkFailed, Forkserver, default_most
from bff.runtime.publishing import Publishing
from bff.runtime.settings import Settings, routes_by_function, settings_of
from bff.runtime.warmup import Workshop
from bff.signals import LoopBlocked, LoopReturned, Signals


class Roster:
    """Immutable; the functions are the invoker's, which has them for every call."""

    def __init__(
        self,
        invoker: Invoker,
        *,
        dev: bool,
        publisher: Publishing,
        workshop: Workshop,
        signals: Signals,
        forkserver: Forkserver,
        later: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        """``later`` runs what goes on by itself."""
        self._invoker = invoker
        self._dev = dev
        self._publisher = publisher
        self._workshop = workshop
        self._signals = signals
        self._forkserver = forkserver
        self._later = later
        signals.listen(LoopBlocked, self._loop_blocked)
        signals.listen(LoopReturned, self._loop_blocked)

    def configure(self, config: Config) -> None:
        """What is there now: new functions are made, those that go finish their calls, the others take their
        settings, and new instances where these are about instances.
        """
        routes, before = routes_by_function(config), self._invoker.functions
        functions: dict[str, Function] = {}
        for name in config.functions_found:
            settings = settings_of(config, name, routes)
            function = before.get(name)
            if function is None:
                function = self._made(name, settings, config)
            elif function.reconfigure(settings):
                self._later(function.remake())
            function.choose_by(choosing_of(name, config.function(name)))
            functions[name] = function
        for name, function in before.items():
            if name not in functions:
                self._later(function.retire())
        self._invoker.functions = functions
        self._forkserver.most = config.gateway.max_processes or default_most()

    def ready_to_fork(self, config: Config) -> None:
        """Start the forkserver ahead of the first call, where there is a process function at all."""
        if _forks(config):
            self._later(self._forkserver.start())

    async def rehearse(self, config: Config) -> None:
        """Return when one more process can be forked at once, where functions have any."""
        if _forks(config):
            with suppress(ForkFailed):  # whoever wants a process is told why there is none
                await self._forkserver.rehearse()

    def _made(self, name: str, settings: Settings, config: Config) -> Function:
        return Function(
            name,
            settings,
            root=config.folder.resolve(),
            dev=self._dev,
            publisher=self._publisher,
            workshop=self._workshop,
            signals=self._signals,
            forkserver=self._forkserver,
        )

    def _loop_blocked(self, said: LoopBlocked | LoopReturned) -> None:
        """Remember it with the function, for who asks how that is. From the watchdog's thread."""
        function = self._invoker.functions.get(said.culprit.function)
        if function is not None:
            function.blocked = function.blocked.after(said)

    def settings(self, name: str) -> Settings | None:
        """What a function's instances are made with now; None where there is no such function."""
        function = self._invoker.functions.get(name)
        return function.settings if function is not None else None

    async def snapshot(self, name: str) -> Snapshot:
        """The files of a function as they answer now, or would with the first call.

        Raises:
            FunctionNotLoaded: there is no such function, or its files are none.

        """
        function = self._invoker.functions.get(name)
        if function is None:
            raise FunctionNotLoaded(name, "it is not known to this gateway")
        if function.live is not None:
            return function.live.revision.snapshot
        return await function.look()


def _forks(config: Config) -> bool:
    return any(function.isolation == "process" for function in config.functions.values())
