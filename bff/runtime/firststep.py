"""Run a coroutine up to its first wait, and on from there.

A handler that never waits, the common hello, needs no deadline timer: nothing could interrupt it. So the
first step is taken by hand, and only what is still running afterwards is awaited under a timer.
"""

from __future__ import annotations

import types
from collections.abc import Coroutine, Generator
from typing import Any, TypeVar

T = TypeVar("T")


class Waiting:
    """What a coroutine gave to its loop when it first waited."""

    __slots__ = ("yielded",)

    def __init__(self, yielded: Any) -> None:
        self.yielded = yielded


def step(running: Coroutine[Any, Any, T]) -> T | Waiting:
    """The result, if it came without waiting; else what it waits for. Call it inside a task."""
    try:
        return Waiting(running.send(None))
    except StopIteration as done:
        result: T = done.value
        return result


@types.coroutine
def resume(running: Coroutine[Any, Any, T], waiting: Waiting) -> Generator[Any, Any, T]:
    """Await the rest of a coroutine whose first step was taken."""
    yielded = waiting.yielded
    while True:
        thrown: BaseException | None = None
        sent = None
        try:
            sent = yield yielded
        except GeneratorExit:
            running.close()
            raise
        except BaseException as error:  # cancellation must reach the coroutine, not us
            thrown = error
        try:
            yielded = running.send(sent) if thrown is None else running.throw(thrown)
        except StopIteration as done:
            result: T = done.value
            return result
