"""The budget's rows add up, and a request's time is told apart by the rooms of the code."""

import pytest

from benchmarks import budget, catalogue, watched
from benchmarks.budget import Profile, row_of
from benchmarks.figures import GOALS
from benchmarks.load import Plan


def test_every_row_of_the_budget_is_a_goal():
    assert {f"budget.{row}" for row in budget.SAYS} == {g.key for g in GOALS if g.benchmark == "budget"}


@pytest.mark.parametrize(
    ("stack", "row"),
    [
        (
            ["/usr/lib/python3.11/json/encoder.py", "/x/bff/sdk/reply.py", "/x/bff/runtime/instance.py"],
            "encode",
        ),
        (["<function hello>", "/x/bff/runtime/instance.py", "/x/bff/gateway/endpoint.py"], "bind"),
        (["/x/bff/services/transport.py", "/x/bff/services/client.py"], "transport"),
        (["/x/bff/services/forward.py"], "service"),
        (["/x/bff/gateway/router.py", "/x/bff/gateway/endpoint.py"], "router"),
        (["/usr/lib/python3.11/asyncio/events.py"], "protocol"),
        ([], "protocol"),
    ],
)
def test_time_belongs_to_the_innermost_room(stack, row):
    assert row_of(stack) == row


def test_rows_are_scaled_to_the_machine_of_the_budget():
    """The protocol's row is what is over bare uvicorn, telemetry's what equipping adds."""
    found = budget.budget(
        Profile(rows={"protocol": 11}, whole=11),
        Profile(rows={"protocol": 12, "router": 1}, whole=13),
        Profile(rows={}, whole=18),
        Profile(rows={"service": 9}, whole=100),
    )
    assert found["protocol"] == 2
    assert found["router"] == 2
    assert found["traffic"] == 0
    assert found["telemetry"] == 10
    assert found["service"] == 6


def test_a_sampled_server_tells_where_its_time_went(monkeypatch):
    """The rows of a real server under load add up to what it took."""
    monkeypatch.setattr(watched, "window", lambda run, number, plan, callers: _asked(run))
    found = budget.profiled(catalogue.BFF_BARE, 0, Plan(seconds=1))
    assert found.whole == pytest.approx(sum(found.rows.values()))
    assert found.rows["protocol"] > 0


def _asked(run):
    from benchmarks.load import Window
    from benchmarks.processes import cpu_seconds
    from benchmarks.servers import ask

    for _ in range(300):
        assert ask(run.port, run.server.path)[0] == 200
    used = cpu_seconds([run.process.pid])
    seen = dict.fromkeys(("rps", "p50", "p99", "used", "foreign", "load_foreign"), 0.0)
    return Window(server=run.server.name, round=0, requests=300, cpu=used / 300, **seen)
