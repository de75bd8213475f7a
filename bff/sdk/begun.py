"""A service call whose request is written already, while nothing of it runs: its end is told by a callback.

Most calls need no coroutine: one endpoint, an idle connection, a good answer in time. Who sends requests may begin such
a call at once (:class:`Begins`), and whatever departs from that is a coroutine again, which goes on from there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from bff.sdk.call import Call, SendOptions
    from bff.sdk.invocation import Invocation


class Begun(Protocol):
    """One call under way. ``told`` is called once, from wherever the loop is: it has ended well, and there is a result;
    or it goes on otherwise, and :meth:`rest` is what is left to do. Not called any more once somebody has asked for
    the rest himself.
    """

    told: Callable[[Begun], object]
    has_ended: bool

    def result(self) -> Any:
        """What the call gives, once it has ended."""

    def rest(self) -> Coroutine[Any, Any, Any]:
        """What is left to do until it has ended; asked for once. Its first step must be taken in any case."""


class Begins(Protocol):
    """Begins calls without a coroutine."""

    def begin(
        self, call: Call[Any], invocation: Invocation, method: str, path: str, options: SendOptions
    ) -> Begun | None:
        """The call, its request written; None where it is not as simple as that, and nothing has been done."""


def wait_for(begun: Begun) -> Generator[Any, Any, Any]:
    """Await it, in the task that awaits the call: cancellations and failures are as if it had been a coroutine.

    Raises:
        ServiceError: as the call would.

    """
    waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    begun.told = partial(_wake, waiter)
    thrown: BaseException | None = None
    try:
        yield from waiter
    except BaseException as error:
        if begun.has_ended:
            raise
        thrown = error
    if begun.has_ended:
        return begun.result()
    if thrown is None:
        return (yield from begun.rest().__await__())
    try:
        return (yield from _thrown_into(begun.rest(), thrown))
    finally:
        del thrown  # it must not hold the frame that holds it


def _wake(waiter: asyncio.Future[None], _: Begun) -> None:
    if not waiter.done():
        waiter.set_result(None)


def _thrown_into(rest: Coroutine[Any, Any, Any], thrown: BaseException) -> Generator[Any, Any, Any]:
    """Go on with what is left to do by raising this where it waits."""
    steps = rest.__await__()
    try:
        waited_for = _first_of(steps)
        if waited_for is _NOTHING:
            raise thrown
        if waited_for is not None:  # None is asyncio.sleep(0)'s
            waited_for._asyncio_future_blocking = False  # noqa: SLF001 - asyncio's mark: nobody awaits it now
        while True:
            try:
                yielded = steps.throw(thrown)
            except StopIteration as returned:
                return returned.value
            try:
                yield yielded
            except BaseException as another:
                thrown = another
            else:
                return (yield from steps)
    finally:
        del thrown  # see above


_NOTHING = object()


def _first_of(steps: Generator[Any, Any, Any]) -> Any:
    """What it waits for first: nothing, if it had all it needed and has ended, well or not."""
    try:
        return next(steps)
    except BaseException:
        return _NOTHING
