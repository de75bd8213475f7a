"""Single parts of runs that operators touch, on the databases that gateways share."""

from __future__ import annotations

import pytest

from bff.events.engine import StoreEngine
from bff.events.records import Sought, State
from tests.events.conftest import Open, incoming, settled, wanted

pytestmark = pytest.mark.anyio

SOURCE, STEP = "/pipelines/p/r1", "pipeline/p/0"


async def begun(engine: StoreEngine, *states: State) -> None:
    """A run whose first step has parts that have ended so; one that is to wait is left alone."""
    insert = (
        "INSERT INTO runs (key, pipeline, plan, state, step, total, done, created, updated, why)"
        " VALUES ('r1', 'p', '', 'running', 0, ?, 0, 0, 0, '')"
    )
    await engine._commits.run(lambda session, _: session.rows(insert, len(states)))
    parts = [incoming(at, STEP, source=SOURCE) for at in range(len(states))]
    await engine.enqueue(parts, backlog=100)
    taken = await engine.take(wanted(), looks_first=False)
    for claimed, state in zip(taken.claimed, states, strict=True):
        if state is not State.WAITING:
            await engine.settle(settled(claimed, state))


async def state_of(engine: StoreEngine) -> str | None:
    run = await engine.run("r1")
    return None if run is None else run.state


async def test_a_run_whose_part_is_cancelled_fails_and_goes_on_once_none_is(open_engine: Open) -> None:
    """Not sooner: of two, the first that begins anew leaves it failed."""
    engine = open_engine()
    await begun(engine, State.WAITING, State.WAITING)
    assert [await engine.cancel(key) for key in ("k0000", "k0001")] == [1, 1]
    assert await state_of(engine) == "failed"
    assert await engine.redrive(Sought(before="k0000", limit=10)) == 1
    assert await state_of(engine) == "failed"
    assert await engine.redrive(Sought(trigger=STEP, limit=10)) == 1
    assert await state_of(engine) == "running"


async def test_what_a_run_needs_is_not_thrown_away(open_engine: Open) -> None:
    """Neither while it runs nor while it could be resumed; with a dead part all of it goes."""
    engine = open_engine()
    await begun(engine, State.DELIVERED, State.DEAD)
    everything = [Sought(state=state, limit=10) for state in ("delivered", "dead")]
    assert [await engine.purge(sought) for sought in everything] == [0, 0]
    fails = "UPDATE runs SET state = 'failed' WHERE key = 'r1'"
    await engine._commits.run(lambda session, _: session.rows(fails))
    assert await engine.purge(everything[0]) == 0
    assert await engine.purge(everything[1]) == 3
    assert (await state_of(engine), await engine.list(Sought())) == (None, [])


async def test_a_part_that_is_open_keeps_its_run(open_engine: Open) -> None:
    """A failed run, too, until what runs of it has ended."""
    engine = open_engine()
    await begun(engine, State.WAITING, State.DEAD)
    await engine._commits.run(lambda session, _: session.rows("UPDATE runs SET state = 'failed'"))
    assert await engine.purge(Sought(state="dead", limit=10)) == 0
    assert len(await engine.list(Sought())) == 2
