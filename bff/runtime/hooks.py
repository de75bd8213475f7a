"""Runs what a function's author wrote for ``start``, ``ready``, ``stop``, ``check`` and the lifespan: under a limit that
holds even for code that swallows its cancellation, and so that it cannot take the gateway along.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any

from bff.clock import Clock, Expiry
from bff.revisions.loader import words_of
from bff.sdk.handler import ContractBroken, line_of

GRACE = 0.5
"""Seconds a hook that was cancelled may still take to clean up, before nobody waits for it any more."""


class HookOverran(Exception):
    """A hook did not end in time; it was cancelled."""


class Escaped(Exception):
    """A hook raised what is no ordinary exception (SystemExit, KeyboardInterrupt, GeneratorExit, or one of the
    author's own), which is the cause: past every ``except Exception``, and out of a task, it would end the loop.
    """

    def __init__(self, error: BaseException) -> None:
        super().__init__(told(error))
        self.__cause__ = error


def told(error: BaseException) -> str:
    """``ValueError: no disk``, as the author wrote it."""
    if isinstance(error, Escaped):
        return str(error)
    words = words_of(error)
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


def refusal(hook: str, said: object) -> str | None:
    """Why the answer of ``ready``, ``alive`` or ``check`` means no, as a sentence's end; None when it means yes. None is
    what a hook returns that only does something, and a pair is the answer with its reason (Knative's contract).

    Raises:
        ContractBroken: another tuple, which Python would take for a yes.

    """
    is_good, why = said is None or bool(said), ""
    if isinstance(said, tuple):
        if len(said) != 2:
            raise ContractBroken(f"{hook}() returned {said!r}", remedy="return True, or `(False, 'why')`")
        is_good, why = bool(said[0]), str(said[1])
    if is_good:
        return None
    return f": {why}" if why else ""


def check_of(module: ModuleType) -> Callable[[], Any] | None:
    """A module's own function ``check``; an imported one is somebody else's.

    Raises:
        ContractBroken: it needs arguments, and nobody has any for it. Left out silently, it would guard nothing.

    """
    check = vars(module).get("check")
    if not inspect.isfunction(check) or check.__module__ != module.__name__:
        return None
    needed = [
        each.name
        for each in inspect.signature(check).parameters.values()
        if each.default is each.empty and each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
    ]
    if needed:
        raise ContractBroken(
            f"check() is called without arguments, and needs {', '.join(needed)}",
            line=line_of(check),
            remedy="give them defaults, or the function another name if it is not the hook",
        )
    return check


async def run(
    hook: Callable[..., Any],
    *args: Any,
    clock: Clock,
    until: float,
    on_end: Callable[[], object] | None = None,
) -> Any:
    """What a hook returns, awaited if it can be. ``on_end`` is called once it has ended well, although nobody may wait
    for it any more: what it began is there then.

    It gets a task of its own: who waits can then stop waiting, whatever the hook does with a cancellation. One that
    ended in the very turn in which time ran out has ended in time: after a sleep of the machine both are due at once.

    Raises:
        HookOverran: the clock reached ``until`` first.
        ContractBroken: it is a generator, of which nothing ran.
        Exception: what the hook raised. A cancellation of its own making comes as RuntimeError.
        Escaped: what it raised is no Exception.

    """
    running = asyncio.create_task(_outcome(hook, args, on_end))
    try:
        with Expiry(clock, until):
            await asyncio.wait({running})
    except TimeoutError:
        if not running.done():
            await _end(running, clock)
            raise HookOverran from None
    except asyncio.CancelledError:
        await _end(running, clock)
        raise
    value, error = running.result()
    if isinstance(error, asyncio.CancelledError):
        raise RuntimeError("it awaited something that was cancelled") from error
    if isinstance(error, Exception):
        raise error
    if error is not None:
        raise Escaped(error)
    if _never_ran(value):
        raise ContractBroken(
            f"{value.__name__}() is a generator, so its body never ran", remedy="take the `yield` out of it"
        )
    return value


def _never_ran(value: object) -> bool:
    """Whether a hook's body is still to run."""
    return inspect.isgenerator(value) or inspect.isasyncgen(value)


async def _outcome(
    hook: Callable[..., Any], args: tuple[Any, ...], on_end: Callable[[], object] | None
) -> tuple[Any, BaseException | None]:
    """Errors as values: a SystemExit or KeyboardInterrupt that leaves a task ends the whole loop, and none goes
    unheard. Signals are the loop's own, so a KeyboardInterrupt here is the hook's doing.
    """
    try:
        value = hook(*args)
        value = await value if inspect.isawaitable(value) else value
        if on_end is not None and not _never_ran(value):
            on_end()
        return value, None
    except BaseException as error:
        return None, error


async def _end(running: asyncio.Task[Any], clock: Clock) -> None:
    running.cancel()
    try:
        with Expiry(clock, clock.now() + GRACE):
            await asyncio.wait({running})
    except TimeoutError:
        pass
