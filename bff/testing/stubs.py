"""Stubbed services: what upstreams answer in a test, said beforehand, and what they were asked, seen after.

No socket is opened. A call that nobody stubbed fails the test and shows the line that is missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import httpx

from bff.clock import Clock
from bff.config import ServiceConfig
from bff.config.names import suggest
from bff.testing.calls import Called, StubCall, Unstubbed
from bff.testing.patience import Patience
from bff.testing.stub import Reply, Stub
from bff.testing.upstream import StubTransport


class StubService(Called):
    """One stubbed service: ``stubs.users.get("/users/7").answers({"name": "Ann"})``.

    Mutable state: ``_stubs`` and the calls.
    """

    def __init__(self, name: str, called_as: str) -> None:
        self.name = name
        self._called_as = called_as
        self._stubs: list[Stub] = []
        self._calls: list[StubCall] = []

    def request(self, method: str, path: str, *, params: Mapping[str, Any] | None = None) -> Stub:
        """A call with any method. ``params`` must be among the call's; others may be there too."""
        return Stub(self, method, path, params)

    def get(self, path: str, *, params: Mapping[str, Any] | None = None) -> Stub:
        """A GET."""
        return self.request("GET", path, params=params)

    def post(self, path: str, *, params: Mapping[str, Any] | None = None) -> Stub:
        """A POST."""
        return self.request("POST", path, params=params)

    def put(self, path: str, *, params: Mapping[str, Any] | None = None) -> Stub:
        """A PUT."""
        return self.request("PUT", path, params=params)

    def patch(self, path: str, *, params: Mapping[str, Any] | None = None) -> Stub:
        """A PATCH."""
        return self.request("PATCH", path, params=params)

    def delete(self, path: str, *, params: Mapping[str, Any] | None = None) -> Stub:
        """A DELETE."""
        return self.request("DELETE", path, params=params)

    def head(self, path: str, *, params: Mapping[str, Any] | None = None) -> Stub:
        """A HEAD."""
        return self.request("HEAD", path, params=params)

    @property
    def calls(self) -> list[StubCall]:
        return list(self._calls)

    def add(self, stub: Stub) -> None:
        """Answer with this stub from now on; called by the stub itself."""
        self._stubs.append(stub)

    def meet(self, call: StubCall) -> Reply:
        """Write the call down and say what it gets.

        Raises:
            Unstubbed: no stub fits it.

        """
        self._calls.append(call)
        for stub in reversed(self._stubs):
            if stub.fits(call):
                return stub.next_reply()
        raise Unstubbed(self._missing(call))

    def _missing(self, call: StubCall) -> str:
        params = f", params={dict(call.params)}" if call.params else ""
        has = ", ".join(map(repr, self._stubs)) or "nothing"
        verb = call.method.lower()
        start = (
            f'.{verb}("{call.path}"' if hasattr(self, verb) else f'.request("{call.method}", "{call.path}"'
        )
        return (
            f"{call.method} {call.path} of service {self.name} was called and is not stubbed; add\n"
            f"    {self._called_as}.{self.name}{start}{params}).answers({{…}})\n"
            f"stubbed for {self.name}: {has}"
        )

    def __repr__(self) -> str:
        return f"<StubService {self.name}: {len(self._stubs)} stubbed, {len(self._calls)} called>"


class StubServices:
    """All services of a test, by name as attributes or by ``[]``; hand it in as ``stubs=``.

    ``called_as`` is what the test calls it, for the message about a missing stub. Mutable state:
    ``_services``, ``_known`` once a gateway uses it, and the failures that are still to be raised.
    """

    def __init__(self, *, called_as: str = "stubs") -> None:
        self._called_as = called_as
        self._services: dict[str, StubService] = {}
        self._known: frozenset[str] | None = None
        self._unstubbed: list[Unstubbed] = []
        self._patience = Patience()

    def __getattr__(self, name: str) -> StubService:
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in self._services:
            self._check(name)
            self._services[name] = StubService(name, self._called_as)
        return self._services[name]

    __getitem__ = __getattr__

    def __iter__(self) -> Iterator[StubService]:
        return iter(self._services.values())

    def _check(self, name: str) -> None:
        if self._known is not None and name not in self._known:
            raise AttributeError(f"routes.yaml declares no service {name}{suggest(name, self._known)}")

    def __call__(self, name: str, config: ServiceConfig) -> httpx.AsyncBaseTransport:
        """The transport of one service (:data:`bff.services.client.MakeTransport`)."""
        return StubTransport(self[name], config.url, self._unstubbed, self._patience)

    def opened(self, services: Iterable[str], clock: Clock) -> None:
        """A gateway with these services begins to use the stubs; those of other names are mistakes."""
        self._known = frozenset(services)
        self._patience.clock = clock
        for name in self._services:
            self._check(name)

    def raise_unstubbed(self) -> None:
        """Fail if a call came that nobody stubbed, whatever the function made of it.

        Raises:
            Unstubbed: the first such call since this was last asked.

        """
        if self._unstubbed:
            first = self._unstubbed[0]
            self._unstubbed.clear()
            raise first

    def __repr__(self) -> str:
        return f"<StubServices {', '.join(self._services) or 'none'}>"
