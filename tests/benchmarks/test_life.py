"""The figures of an instance's life: each part measures what it owes, small but whole, on a real gateway."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from benchmarks import catalogue as who
from benchmarks import cold, crowd, cycles, many, memory, openapi, overhead, views, warming
from benchmarks.caller import Caller, functions
from benchmarks.figures import GOALS, Series, percentile
from benchmarks.outcome import Effort
from benchmarks.projects import HELLO, names, project
from benchmarks.servers import BenchmarkError, running

SMALL = replace(
    Effort.quick(say=lambda line: None),
    starts=1,
    imports=1,
    functions=2,
    callers=20,
    warm=10,
    cycles=40,
    many=20,
    calls=200,
)
PARTS = {
    "cold": cold,
    "crowd": crowd,
    "cycles": cycles,
    "memory": memory,
    "openapi": openapi,
    "overhead": overhead,
    "views": views,
    "warming": warming,
}


@pytest.mark.parametrize("part", PARTS)
def test_each_part_measures_what_it_owes(part: str) -> None:
    """Every goal of its name, a table, and raw rows that can be kept."""
    found = PARTS[part].measure(SMALL)  # type: ignore[attr-defined]
    owed = {goal.key for goal in GOALS if goal.benchmark == part}
    assert set(found.figures) == owed
    assert owed
    assert found.tables
    assert all(len(row) == len(table.head) for table in found.tables for row in table.rows)
    assert json.loads(json.dumps(found.rows))


def test_the_cold_table_names_its_peers_and_what_others_publish() -> None:
    """With the source: seconds, said by those who make it."""
    values = {"hello": [1.0], "page": [2.0]}
    peers = {each.name: [3.0] for each in cold.PEERS} | {"python -c pass, to its end": [4.0]}
    table = cold.table(values, values, peers)
    assert [row[0] for row in table.rows[-3:]] == [
        "functions-framework, process start → first 200",
        "Starlette on uvicorn, process start → first 200",
        "python -c pass, to its end",
    ]
    assert "github.com/knative/serving/issues/2484" in table.note


def test_the_memory_table_says_what_python_keeps() -> None:
    """What stays of the traced by its place, and why resident memory does not follow."""
    traced = {
        "grown": 5_000_000,
        "returned": 4_900_000,
        "revision": 12_000_000,
        "kept": [["bff/x.py:7", 64_000]],
    }
    one = Series.of([1.0])
    (row,) = (made := memory.table(replace(SMALL, warm=1000), traced, one, one, one)).rows
    assert row[3] == "5.0"
    assert made.note.endswith("What stays of the traced, for each function: bff/x.py:7 64 B.")
    assert "whole arenas" in made.note


def test_the_weight_of_a_cold_function_is_what_its_configuration_does_not_explain() -> None:
    """Both gateways and both interpreters run; more than a page of each function would be a leak."""
    sources = {"hello": HELLO, **dict.fromkeys(names(300), HELLO)}
    with project({"hello": HELLO}) as one, project(sources) as lots:
        servers = [who.gateway("bff", config, path="/hello", expected=who.HELLO) for config in (one, lots)]
        assert -20 < many.weight(*servers, one, lots, 301) < 20
        assert many.loaded(lots) > many.loaded(one)


def test_a_configuration_that_cannot_be_read_is_no_figure() -> None:
    with (
        project({"hello": HELLO}, "nonsense: 1\n") as config,
        pytest.raises(BenchmarkError, match="nonsense"),
    ):
        many.loaded(config)


def test_a_caller_hears_whole_answers_and_refuses_others() -> None:
    """A 404 is never timed as a success."""
    with (
        project({"hello": HELLO}) as config,
        running(who.gateway("bff", config)) as run,
        Caller(run) as caller,
    ):
        caller.ask("/hello")
        assert json.loads(caller.hear()) == who.HELLO
        assert caller.call("/hello") > 0
        assert functions(run.admin)["hello"]["warm_up"]["count"] == 1
        with pytest.raises(BenchmarkError, match="404"):
            caller.call("/nowhere")


def test_an_import_that_takes_no_time_is_no_figure() -> None:
    """The body must have run for as long as it is said to."""
    with (
        project({"hello": HELLO, "quick": HELLO}) as config,
        running(who.gateway("bff", config, path="/hello")) as run,
        pytest.raises(BenchmarkError, match="did not take its"),
    ):
        warming.during(run, "quick", SMALL)


def test_percentiles_are_ranks() -> None:
    assert percentile([3, 1, 2], 0.5) == 2
    assert percentile(range(1, 101), 0.99) == 99
    assert percentile([7], 1.0) == 7
    assert Series.of([1]).median == 1
