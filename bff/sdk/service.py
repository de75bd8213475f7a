"""``ctx.services.users``: a declared service with httpx's verbs, for one invocation.

Each verb takes a path below the service's URL, httpx's ``params``, ``headers``, ``json``, ``content``,
``data`` and ``files``, and three of our own: ``into=`` (validate the body straight into a type),
``check=False`` (hand over any status as it is) and ``errors={404: None}`` (what a status means here).
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import difflib
from collections.abc import Iterable, Mapping
from operator import itemgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, cast, overload

from bff.sdk.call import NOTHING, Adapters, Call, Sender, SendOptions
from bff.sdk.failures import UnknownService

if TYPE_CHECKING:
    import httpx
    from typing_extensions import Unpack

    from bff.sdk.invocation import Invocation

T = TypeVar("T")
E = TypeVar("E")
_OPTIONS = SendOptions.__optional_keys__
_NO_OPTIONS: SendOptions = cast("SendOptions", MappingProxyType({}))


class _Verb(Protocol):
    """The face of get, post, put, patch and delete."""

    @overload
    def __call__(
        self, path: str, *, check: bool = True, **options: Unpack[SendOptions]
    ) -> Call[httpx.Response]: ...
    @overload
    def __call__(self, path: str, *, into: type[T], **options: Unpack[SendOptions]) -> Call[T]: ...
    @overload
    def __call__(
        self, path: str, *, errors: Mapping[int, E], check: bool = True, **options: Unpack[SendOptions]
    ) -> Call[httpx.Response | E]: ...
    @overload
    def __call__(
        self, path: str, *, into: type[T], errors: Mapping[int, E], **options: Unpack[SendOptions]
    ) -> Call[T | E]: ...


class _SyncVerb(Protocol):
    """The same for synchronous handlers: it blocks and gives the value itself."""

    @overload
    def __call__(
        self, path: str, *, check: bool = True, **options: Unpack[SendOptions]
    ) -> httpx.Response: ...
    @overload
    def __call__(self, path: str, *, into: type[T], **options: Unpack[SendOptions]) -> T: ...
    @overload
    def __call__(
        self, path: str, *, errors: Mapping[int, E], check: bool = True, **options: Unpack[SendOptions]
    ) -> httpx.Response | E: ...
    @overload
    def __call__(
        self, path: str, *, into: type[T], errors: Mapping[int, E], **options: Unpack[SendOptions]
    ) -> T | E: ...


class Service:
    """One declared service, called for one invocation. Its verbs give lazy :class:`Call` objects."""

    __slots__ = ("_adapters", "_invocation", "_sender")

    def __init__(self, sender: Sender, invocation: Invocation, adapters: Adapters) -> None:
        self._sender = sender
        self._invocation = invocation
        self._adapters = adapters

    @property
    def name(self) -> str:
        """The service's name in routes.yaml."""
        return self._sender.name

    @property
    def invocation(self) -> Invocation:
        """Whose calls it makes."""
        return self._invocation

    @property
    def adapters(self) -> Adapters:
        """The validators of the function's types."""
        return self._adapters

    def request(
        self,
        method: str,
        path: str,
        *,
        into: Any = None,
        check: bool = True,
        errors: Mapping[int, Any] = NOTHING,
        **options: Unpack[SendOptions],
    ) -> Call[Any]:
        """A call with any method.

        Raises:
            TypeError: an option that a call does not have.

        """
        if options and not options.keys() <= _OPTIONS:
            unknown = ", ".join(sorted(options.keys() - _OPTIONS))
            raise TypeError(f"a service call has no option {unknown}; it has {', '.join(sorted(_OPTIONS))}")
        return Call(
            self._sender,
            self._invocation,
            self._adapters,
            method.upper(),
            path,
            options=options,
            into=into,
            check=check,
            errors=errors,
        )

    if TYPE_CHECKING:
        get: _Verb
        post: _Verb
        put: _Verb
        patch: _Verb
        delete: _Verb
        head: _Verb
    else:

        def get(self, path: str, **asked: Any) -> Call[Any]:
            """A GET."""
            if asked:
                return self.request("GET", path, **asked)
            return Call(self._sender, self._invocation, self._adapters, "GET", path, _NO_OPTIONS)

        def post(self, path: str, **asked: Any) -> Call[Any]:
            """A POST."""
            return self.request("POST", path, **asked)

        def put(self, path: str, **asked: Any) -> Call[Any]:
            """A PUT."""
            return self.request("PUT", path, **asked)

        def patch(self, path: str, **asked: Any) -> Call[Any]:
            """A PATCH."""
            return self.request("PATCH", path, **asked)

        def delete(self, path: str, **asked: Any) -> Call[Any]:
            """A DELETE."""
            return self.request("DELETE", path, **asked)

        def head(self, path: str, **asked: Any) -> Call[Any]:
            """A HEAD."""
            return self.request("HEAD", path, **asked)


class SyncService:
    """One declared service for a synchronous handler: the same verbs, but they block.

    The call runs on the gateway's loop; the thread waits for it under the invocation's deadline.
    """

    __slots__ = ("_loop", "_service")

    def __init__(self, service: Service, loop: asyncio.AbstractEventLoop) -> None:
        self._service = service
        self._loop = loop

    def request(self, method: str, path: str, **asked: Any) -> Any:
        """Send with any method and wait for the value."""
        call: Call[Any] = self._service.request(method, path, **asked)
        running: concurrent.futures.Future[Any] = asyncio.run_coroutine_threadsafe(call.run(), self._loop)
        return running.result()

    if TYPE_CHECKING:
        get: _SyncVerb
        post: _SyncVerb
        put: _SyncVerb
        patch: _SyncVerb
        delete: _SyncVerb
        head: _SyncVerb
    else:

        def get(self, path: str, **asked: Any) -> Any:
            """A GET."""
            return self.request("GET", path, **asked)

        def post(self, path: str, **asked: Any) -> Any:
            """A POST."""
            return self.request("POST", path, **asked)

        def put(self, path: str, **asked: Any) -> Any:
            """A PUT."""
            return self.request("PUT", path, **asked)

        def patch(self, path: str, **asked: Any) -> Any:
            """A PATCH."""
            return self.request("PATCH", path, **asked)

        def delete(self, path: str, **asked: Any) -> Any:
            """A DELETE."""
            return self.request("DELETE", path, **asked)

        def head(self, path: str, **asked: Any) -> Any:
            """A HEAD."""
            return self.request("HEAD", path, **asked)


S = TypeVar("S", Service, SyncService)


class Services(Generic[S]):
    """``ctx.services``: the declared services by name, as attributes or by ``[]``.

    Raises:
        UnknownService: the name is not declared in routes.yaml; the message suggests a near one.

    """

    __slots__ = ("_adapters", "_invocation", "_loop", "_senders")

    def __init__(
        self,
        senders: Mapping[str, Sender],
        invocation: Invocation,
        adapters: Adapters,
        loop: asyncio.AbstractEventLoop | None,
    ) -> None:
        self._senders = senders
        self._invocation = invocation
        self._adapters = adapters
        self._loop = loop

    def __getitem__(self, name: str) -> S:
        sender = self._senders.get(name)
        if sender is None:
            near = difflib.get_close_matches(name, self._senders, n=1)
            raise UnknownService(name, near[0] if near else None)
        service = Service(sender, self._invocation, self._adapters)
        return service if self._loop is None else SyncService(service, self._loop)  # type: ignore[return-value]

    def __getattr__(self, name: str) -> S:  # not an alias of __getitem__: mypy would not see it
        return self[name]

    def __iter__(self) -> Any:
        return iter(self._senders)


def services_of(names: Iterable[str]) -> type[Services[Any]]:
    """:class:`Services` with a property for each of these names, made once for a routes.yaml: to find out first that
    there is no such attribute costs seven times as much as to have it.
    """
    found = {name: property(itemgetter(name)) for name in names if not hasattr(Services, name)}
    return type("Services", (Services,), {"__slots__": (), **found})
