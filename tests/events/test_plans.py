"""What taking deliveries reads does not grow with what waits: looked up in the databases' own plans, not timed."""

from __future__ import annotations

import pytest

from bff.events import claiming, picking
from bff.revisions.store.database import Session
from tests.events.conftest import Open, incoming, wanted

pytestmark = pytest.mark.anyio
ASKED = {"file": "EXPLAIN QUERY PLAN ", "postgres": "EXPLAIN "}


async def test_a_backlog_is_read_in_its_order_and_each_row_of_it_once(
    open_engine: Open, request: pytest.FixtureRequest
) -> None:
    """The first that are due, without sorting the others; by their keys where they are taken; and whether something
    stands before one in its lane by the index of lanes. Statistics of a table that was empty say nothing of it.
    """
    engine = open_engine()
    for at in range(0, 2000, 500):
        some = [incoming(n, "mail", lane="mail:a" if n % 2 else "") for n in range(at, at + 500)]
        await engine.enqueue(some, backlog=10**6)
    asked = ASKED[request.node.callspec.params["where"]]
    pick = picking.picked(wanted(), 1.0)

    def plan(session: Session, now: float) -> str:
        sql = asked + claiming._TAKE.format(free=pick.sql)
        return "\n".join(
            str(each[-1] or each[0]) for each in session.rows(sql, "a", now, now, now, *pick.values, 10)
        )

    told = await engine.store.look(plan)
    assert "Sort" not in told, told
    assert "TEMP B-TREE" not in told, told
    assert "deliveries_lane" in told, told
    assert told.count("deliveries_due") == 1, told
    assert "SCAN deliveries" not in told, told
