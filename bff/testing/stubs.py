"""Stubbed services: what upstreams answer in a test, said beforehand, and what they were asked, seen after.

No socket is opened. A call that nobody stubbed fails the test and shows the line that is missing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from pydantic_core import to_json

from bff.clock import Clock
from bff.config import ServiceConfig
from bff.config.names import suggest
from bff.testing.patience import Patience


class Unstubbed(AssertionError):
    """A service was called in a way that no stub answers; the message shows the stub to add."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StubCall:
    """A request that a stubbed service got. ``path`` is below the service's URL; headers are lower-case."""

    service: str
    method: str
    path: str
    params: Mapping[str, str | list[str]]
    headers: Mapping[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        """The body as JSON; None when there is none."""
        return json.loads(self.content) if self.content else None

    def __repr__(self) -> str:
        query = f" params={dict(self.params)}" if self.params else ""
        return f"<{self.method} {self.path} to {self.service}{query}>"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reply:
    """What a stub does once: an answer, a failure, or nothing for ever."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    content: bytes = b""
    after: float = 0.0
    error: Exception | type[Exception] | None = None
    hangs: bool = False


class _Calls:
    """Assertions over calls, for a whole service and for one stub of it."""

    @property
    def calls(self) -> list[StubCall]:
        """The calls that came, in order."""
        raise NotImplementedError

    def assert_called(self, times: int) -> list[StubCall]:
        """The calls, which must be that many."""
        calls = self.calls
        if len(calls) != times:
            came = "".join(f"\n    {call!r}" for call in calls)
            raise AssertionError(f"{self!r} was called {len(calls)} times, not {times}{came}")
        return calls

    def assert_called_once(self) -> StubCall:
        """The one call: ``stubs.orders.post("/orders").assert_called_once().json``."""
        return self.assert_called(1)[0]

    def assert_not_called(self) -> None:
        """No call came."""
        self.assert_called(0)


class Stub(_Calls):
    """One kind of call to one service, and what it is answered with.

    Said once, an answer is given every time; said several times, the answers are given in that order and
    the last one stays. A stub made later wins over an earlier one that fits as well.
    """

    def __init__(
        self, service: StubService, method: str, path: str, params: Mapping[str, Any] | None
    ) -> None:
        url = httpx.URL(path)
        self._service = service
        self._method = method.upper()
        self._path = url.path
        wanted = url.params if params is None else url.params.merge(_plain(params))
        self._params = _listed(wanted)
        self._replies: list[_Reply] = []
        self._given = 0

    def answers(
        self,
        json: Any = None,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        content: bytes | str | None = None,
        after: float = 0.0,
    ) -> Stub:
        """Answer with a JSON value (models and dataclasses too) or with ``content`` as it is.

        ``after`` is how many seconds of the clock it takes.
        """
        fields = {name.lower(): value for name, value in (headers or {}).items()}
        if content is None:
            body = b"" if json is None and status in (204, 304) else to_json(json)
            fields.setdefault("content-type", "application/json")
        else:
            body = content.encode() if isinstance(content, str) else content
        return self._will(_Reply(status=status, headers=tuple(fields.items()), content=body, after=after))

    def fails(self, error: Exception | type[Exception] = httpx.ConnectError) -> Stub:
        """Fail as httpx would: ``ConnectError`` unless said otherwise."""
        return self._will(_Reply(error=error))

    def hangs(self) -> Stub:
        """Never answer. On a ManualClock, time goes on by itself to whatever gives up first."""
        return self._will(_Reply(hangs=True))

    @property
    def calls(self) -> list[StubCall]:
        return [call for call in self._service.calls if self.fits(call)]

    def fits(self, call: StubCall) -> bool:
        """Whether this is such a call; parameters that the stub does not name may be there."""
        return (self._method, self._path) == (call.method, call.path) and all(
            call.params.get(name) == value for name, value in self._params.items()
        )

    def next_reply(self) -> _Reply:
        """What the next call gets."""
        reply = self._replies[min(self._given, len(self._replies) - 1)]
        self._given += 1
        return reply

    def _will(self, reply: _Reply) -> Stub:
        if not self._replies:
            self._service.add(self)
        self._replies.append(reply)
        return self

    def __repr__(self) -> str:
        asked = str(httpx.URL(self._path, params=self._params)) if self._params else self._path
        return f"<{self._method} {asked} of {self._service.name}>"


class StubService(_Calls):
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

    def meet(self, call: StubCall) -> _Reply:
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
        return _StubTransport(self[name], config.url, self._unstubbed, self._patience)

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


class _StubTransport(httpx.AsyncBaseTransport):
    """httpx's way to one stubbed service."""

    def __init__(
        self, service: StubService, url: str, unstubbed: list[Unstubbed], patience: Patience
    ) -> None:
        self._service = service
        self._prefix = httpx.URL(url).path.rstrip("/")
        self._unstubbed = unstubbed
        self._patience = patience

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        call = StubCall(
            service=self._service.name,
            method=request.method,
            path=request.url.path.removeprefix(self._prefix) or "/",
            params=_listed(request.url.params),
            headers=dict(request.headers),
            content=await request.aread(),
        )
        try:
            reply = self._service.meet(call)
        except Unstubbed as missing:
            self._unstubbed.append(missing)
            raise
        if reply.hangs:
            await self._patience.hang()
        await self._patience.pass_time(reply.after)
        if reply.error is not None:
            raise reply.error if isinstance(reply.error, Exception) else reply.error("stubbed to fail")
        return httpx.Response(reply.status, headers=list(reply.headers), content=reply.content)


def _plain(params: Mapping[str, Any]) -> httpx.QueryParams:
    return httpx.QueryParams(dict(params))


def _listed(params: httpx.QueryParams) -> dict[str, str | list[str]]:
    """Each parameter's text, or its texts when it came several times."""
    together = {name: params.get_list(name) for name in params}
    return {name: values if len(values) > 1 else values[0] for name, values in together.items()}
