"""Many calls for one thing each, sent as one call for many: the answer to N + 1 calls.

``user = batch(ctx.services.users, "/users")`` gives a function for single keys. ``await user(7)`` waits one turn
of the loop for others to be asked for too, and everything asked for by then goes out together, as
``GET /users?id=7&id=9``. Batches belong to one request: what two parts of a page want is one call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from bff.errors import twin
from bff.frozen import frozen
from bff.sdk.failures import ServiceAnswered, ServiceBodyInvalid
from bff.sdk.service import Service

if TYPE_CHECKING:
    from bff.sdk.invocation import Invocation

T = TypeVar("T")
MAX_SIZE = 100
"""Keys one call carries, unless told otherwise."""

_ABSENT: Any = object()


@frozen
class _Plan:
    """How single keys become one call, and its answer single values."""

    service: str
    path: str
    max_size: int
    param: str
    separator: str
    key: str
    into: Any

    def params(self, keys: Sequence[Hashable]) -> list[tuple[str, str]]:
        """The query."""
        if self.separator:
            return [(self.param, self.separator.join(map(str, keys)))]
        return [(self.param, str(key)) for key in keys]

    def values(self, answer: Any, keys: Sequence[Hashable]) -> list[Any]:
        """What the answer holds for each key.

        Raises:
            ServiceBodyInvalid: it cannot be told which value is whose.

        """
        if isinstance(answer, Mapping):
            return [answer.get(str(key), _ABSENT) for key in keys]
        if not isinstance(answer, list):
            raise ServiceBodyInvalid(self.service, "is neither a list nor an object of what was asked for")
        if self.key:
            return self._by_key(answer, keys)
        if len(answer) != len(keys):
            raise ServiceBodyInvalid(self.service, f"has {len(answer)} items for {len(keys)} keys")
        return [_ABSENT if item is None else item for item in answer]

    def _by_key(self, answer: list[Any], keys: Sequence[Hashable]) -> list[Any]:
        try:
            found = {str(item[self.key]): item for item in answer}
        except (TypeError, KeyError):
            raise ServiceBodyInvalid(self.service, f"has an item without {self.key!r}") from None
        return [found.get(str(key), _ABSENT) for key in keys]


@overload
def batch(
    service: Service,
    path: str,
    *,
    max_size: int = MAX_SIZE,
    param: str = "id",
    separator: str = "",
    key: str = "",
) -> Callable[[Hashable], Awaitable[Any]]: ...
@overload
def batch(
    service: Service,
    path: str,
    *,
    max_size: int = MAX_SIZE,
    param: str = "id",
    separator: str = "",
    key: str = "",
    into: type[T],
) -> Callable[[Hashable], Awaitable[T]]: ...


def batch(
    service: Service,
    path: str,
    *,
    max_size: int = MAX_SIZE,
    param: str = "id",
    separator: str = "",
    key: str = "",
    into: Any = None,
) -> Callable[[Hashable], Awaitable[Any]]:
    """A function that gives the value for one key, and calls the service once for many.

    Keys go into the query as ``param``, one each, or all in one with ``separator=","``; each key once. The
    answer is JSON: an object by key, or a list in the order of the keys, or with ``key="id"`` a list in any
    order whose items have that member. ``into`` validates each value by itself.

    A key without a value (not there, or null in a list) raises :class:`ServiceAnswered` with 404, a value that
    does not fit :class:`ServiceBodyInvalid`, each for that key alone. When the call itself fails, every key
    has that failure. What is awaited is single-use, and free if nobody awaits it.

    Raises:
        TypeError: a synchronous handler's service: its calls wait for one another, so nothing could gather.
        ValueError: ``max_size`` is not positive.

    """
    if not isinstance(service, Service):
        raise TypeError("batch needs an async handler: a synchronous one makes one call after the other")
    if max_size < 1:
        raise ValueError(f"max_size is {max_size}; a call carries at least one key")
    plan = _Plan(
        service=service.name,
        path=path,
        max_size=max_size,
        param=param,
        separator=separator,
        key=key,
        into=into,
    )
    return lambda wanted: _Key(service, plan, wanted)


class _Key(Generic[T]):
    """One key's value, not asked for yet. Mutable state: ``_started``."""

    __slots__ = ("_plan", "_service", "_started", "_wanted")

    def __init__(self, service: Service, plan: _Plan, wanted: Hashable) -> None:
        self._service = service
        self._plan = plan
        self._wanted = wanted
        self._started = False

    def __await__(self) -> Generator[Any, None, T]:
        if self._started:
            raise RuntimeError("this key was awaited before: it is single-use; ask for it again")
        self._started = True
        value: T = yield from _asked(self._service, self._plan, self._wanted).__await__()
        return value


async def _asked(service: Service, plan: _Plan, wanted: Hashable) -> Any:
    waiting = _open_batch(service, plan, wanted).wait_for(wanted)
    outcome = await waiting
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


def _open_batch(service: Service, plan: _Plan, wanted: Hashable) -> _Batch:
    """The batch this key goes into: the one still open in this request, unless it is full."""
    invocation: Invocation = service.invocation
    if invocation.batches is None:
        invocation.batches = {}
    batches: dict[Any, _Batch] = invocation.batches
    found = batches.get(plan)
    if found is None or not found.has_room_for(wanted):
        found = batches[plan] = _Batch(service, plan)
    return found


class _Batch:
    """Keys gathered within one turn of the loop, and the call that fetches them.

    Mutable state: ``_waiters`` by key, ``_is_open`` until it is sent, ``_task``.
    """

    __slots__ = ("_is_open", "_plan", "_service", "_task", "_waiters")

    def __init__(self, service: Service, plan: _Plan) -> None:
        self._service = service
        self._plan = plan
        self._waiters: dict[Hashable, list[asyncio.Future[Any]]] = {}
        self._is_open = True
        self._task: asyncio.Task[None] | None = None
        asyncio.get_running_loop().call_soon(self._send)

    def has_room_for(self, key: Hashable) -> bool:
        """Whether the key may still go along."""
        return self._is_open and (key in self._waiters or len(self._waiters) < self._plan.max_size)

    def wait_for(self, key: Hashable) -> asyncio.Future[Any]:
        """The value or the failure of one key, to come. The last one to stop waiting cancels the call."""
        waiter: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        waiter.add_done_callback(self._left)
        self._waiters.setdefault(key, []).append(waiter)
        if len(self._waiters) == self._plan.max_size:
            self._send()
        return waiter

    def _send(self) -> None:
        if self._is_open:
            self._is_open = False
            if not self._is_deserted():
                self._task = asyncio.create_task(self._fetch())

    def _left(self, waiter: asyncio.Future[Any]) -> None:
        if waiter.cancelled() and self._task is not None and self._is_deserted():
            self._task.cancel()

    def _is_deserted(self) -> bool:
        return all(waiter.cancelled() for waiters in self._waiters.values() for waiter in waiters)

    async def _fetch(self) -> None:
        keys = list(self._waiters)
        try:
            answer = await self._service.get(self._plan.path, params=self._plan.params(keys))
            outcomes = [self._read(value) for value in self._plan.values(answer.json(), keys)]
        except BaseException as failure:
            for key in keys:
                self._tell(key, failure)
            if not isinstance(failure, Exception):
                raise
            return
        for key, outcome in zip(keys, outcomes, strict=True):
            self._tell(key, outcome)

    def _read(self, value: Any) -> Any:
        """The value, or its own failure."""
        if value is _ABSENT:
            return ServiceAnswered(self._plan.service, 404, relayed=False)
        if self._plan.into is None:
            return value
        from pydantic import ValidationError

        from bff.sdk import misfit as misfit_of

        try:
            return self._service.adapters.of(self._plan.into).validate_python(value)
        except ValidationError as misfit:
            return ServiceBodyInvalid(self._plan.service, f"does not fit: {misfit_of.first_of(misfit)}")

    def _tell(self, key: Hashable, outcome: Any) -> None:
        for waiter in self._waiters[key]:
            if not waiter.done():
                waiter.set_result(twin(outcome) if isinstance(outcome, BaseException) else outcome)
