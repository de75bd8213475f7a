"""Two bare connections joined: what comes from one end goes to the other, no faster than it is taken."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from bff.clock import Clock, Expiry
from bff.services.duplex import LINGER, Duplex


class _Quiet:
    """How long both ends have been silent. Mutable state: ``last``."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.last = clock.now()

    def heard(self) -> None:
        self.last = self._clock.now()


async def join(one: Duplex, other: Duplex, *, clock: Clock, idle: float) -> None:
    """Until both ends have finished, one has been gone for ``LINGER`` seconds, or both were silent for ``idle`` seconds.

    Both are closed then, as they are when this is cancelled.
    """
    quiet = _Quiet(clock)
    create = asyncio.get_running_loop().create_task
    copies = [create(_copy(source, sink, quiet)) for source, sink in ((one, other), (other, one))]
    try:
        if await _has_finished(copies, quiet, clock, idle):
            with suppress(TimeoutError), Expiry(clock, clock.now() + LINGER):
                await asyncio.wait(copies)
    finally:
        for copy in copies:
            copy.cancel()
        await asyncio.wait(copies)
        one.close()
        other.close()


async def _has_finished(copies: list[asyncio.Task[None]], quiet: _Quiet, clock: Clock, idle: float) -> bool:
    """True once one end has finished; False when nobody has said anything for too long."""
    while (rest := quiet.last + idle - clock.now()) > 0:
        with suppress(TimeoutError), Expiry(clock, clock.now() + rest):
            await asyncio.wait(copies, return_when=asyncio.FIRST_COMPLETED)
            return True
    return False


async def _copy(source: Duplex, sink: Duplex, quiet: _Quiet) -> None:
    while data := await source.read():
        quiet.heard()
        await sink.write(data)
    sink.finish()
