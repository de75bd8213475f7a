"""A test that hangs ends, on uvloop too.

pytest-timeout raises from a signal's handler. uvloop runs such handlers in a callback of its own, where what they
raise is logged and forgotten, and the test goes on waiting. So here the test's task is cancelled instead, then every
task. And closing a uvloop on which a UDP transport is still open, as a failed test may leave one, never ends and
hears no signal: there a watchdog that needs no Python ends the process.
"""

from __future__ import annotations

import asyncio
import faulthandler
import signal
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from pytest_timeout import timeout_sigalrm

AGAIN = 1.0
"""Seconds between one attempt to end a test and the next."""
LAST = 15.0
"""Seconds after the first, when the process ends."""
_WAITER, _RUNNER = "TestRunner._call_in_runner_task", "TestRunner._run_tests_and_fixtures"
"""anyio's: what waits for a test's task, and that task, which is every test's and fixture's."""


def pytest_timeout_set_timer(item: pytest.Item, settings: Any) -> bool | None:
    """See pytest-timeout's hooks; its own way is taken where it is asked for by name."""
    if settings.method != "signal":
        return None
    is_first = True

    def ring(*_: Any) -> None:
        nonlocal is_first
        loop = asyncio._get_running_loop()
        if loop is None or asyncio.current_task(loop) is not None:
            timeout_sigalrm(item, settings)  # raised in what runs now, which is the test
        print(f"{item.nodeid}: still running after {settings.timeout:g} s", file=sys.stderr)
        _cancel(asyncio.all_tasks(loop), is_first=is_first)
        is_first = False

    def cancel() -> None:
        faulthandler.cancel_dump_traceback_later()
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)

    item.cancel_timeout = cancel  # type: ignore[attr-defined]
    faulthandler.dump_traceback_later(settings.timeout + LAST, exit=True, file=sys.__stderr__)  # type: ignore[arg-type]
    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, settings.timeout, AGAIN)
    return True


def _cancel(tasks: set[asyncio.Task[Any]], *, is_first: bool) -> None:
    runners = {task for task in tasks if task.get_coro().__qualname__ == _RUNNER}  # type: ignore[union-attr]
    for task in runners if runners and is_first else tasks:
        if task.get_coro().__qualname__ != _WAITER:  # type: ignore[union-attr]
            print(*_waits(task.get_coro()), sep="\n", file=sys.stderr)
            task.cancel("the test took too long")


def _waits(coroutine: Any) -> Iterator[str]:
    """Where it waits, from the outside in; a task tells only of the outermost."""
    while (frame := getattr(coroutine, "cr_frame", None)) is not None:
        yield f"  {frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}"
        coroutine = coroutine.cr_await
