"""Work that outlives whoever asked for it, and ends with its owner."""

from __future__ import annotations

import asyncio

import pytest

from bff.errors import GatewayDraining
from bff.runtime.errands import Errands, heard

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_who_leaves_does_not_end_it() -> None:
    """The work goes on for those who stay, and for nobody."""
    errands, gate = Errands(), asyncio.Event()
    task = errands.begin(_after(gate))
    waiters = [asyncio.create_task(heard(task)) for _ in range(2)]
    await asyncio.sleep(0)
    waiters[0].cancel()
    await asyncio.wait({waiters[0]})
    assert waiters[0].cancelled()
    gate.set()
    assert await waiters[1] == "done"


async def test_a_failure_goes_to_who_waits_and_else_to_nobody() -> None:
    """None of them goes unretrieved."""
    errands = Errands()
    with pytest.raises(OSError, match="no disk"):
        await errands.run(_failing())
    await asyncio.wait({errands.begin(_failing())})


async def test_closing_cancels_what_runs_and_begins_nothing_more() -> None:
    """Who waited is told that the gateway drains, which is not a cancellation of its own."""
    errands = Errands()
    waiter = asyncio.create_task(errands.run(_after(asyncio.Event())))
    await asyncio.sleep(0)
    await errands.close()
    with pytest.raises(GatewayDraining):
        await waiter
    with pytest.raises(GatewayDraining):
        await errands.run(_failing())
    await errands.close()


async def _after(gate: asyncio.Event) -> str:
    await gate.wait()
    return "done"


async def _failing() -> None:
    raise OSError("no disk")
