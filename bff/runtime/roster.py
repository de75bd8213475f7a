"""The functions that there are, made and kept what routes.yaml says of them."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from bff.config import Config
from bff.errors import FunctionNotLoaded
from bff.revisions.choosing import choosing_of
from bff.revisions.snapshot import Snapshot
from bff.runtime.function import Function
from bff.runtime.invoker import Invoker
from bff.runtime.settings import Settings, routes_by_function, settings_of


class Roster:
    """Immutable; the functions are the invoker's, which has them for every call."""

    def __init__(
        self,
        invoker: Invoker,
        *,
        make: Callable[[str, Settings], Function],
        later: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        """``make`` is for those that were not there before; ``later`` runs what goes on by itself."""
        self._invoker = invoker
        self._make = make
        self._later = later

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
                function = self._make(name, settings)
            elif function.reconfigure(settings):
                self._later(function.remake())
            function.choose_by(choosing_of(name, config.function(name)))
            functions[name] = function
        for name, function in before.items():
            if name not in functions:
                self._later(function.retire())
        self._invoker.functions = functions

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
