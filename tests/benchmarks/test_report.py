"""The page has a row for every figure, whatever happened to it."""

import json
from datetime import UTC, datetime

from benchmarks import machine, report
from benchmarks.__main__ import BENCHMARKS
from benchmarks.edit import SAVES
from benchmarks.figures import (
    GOALS,
    Series,
)
from benchmarks.outcome import Effort, Outcome, Table

NOW = datetime(2026, 1, 2, tzinfo=UTC)
FACTS = {"python": "CPython 3.11", "uvicorn": "0.40"}


def everything(value: float) -> dict[str, Outcome]:
    return {
        name: Outcome(figures={g.key: Series.of([value]) for g in GOALS if g.benchmark == name})
        for name in BENCHMARKS
    }


class TestReport:
    def test_no_figure_is_lost(self):
        """Each goal has one row, whether measured, failed or not run."""
        for results in ({}, {"hello": "wrk is not installed"}, everything(1.0)):
            page = report.render(results, FACTS, Effort(), NOW)
            assert all(page.count(f"| {goal.says} |") == 1 for goal in GOALS)

    def test_each_benchmark_owes_figures_and_each_figure_has_a_benchmark(self):
        assert {goal.benchmark for goal in GOALS} == set(BENCHMARKS)
        assert len({goal.key for goal in GOALS}) == len(GOALS)
        assert {f"edit.{saved}" for saved in SAVES} == {g.key for g in GOALS if g.benchmark == "edit"}

    def test_met_and_missed_are_told_apart(self):
        page = report.render(everything(1.0), FACTS, Effort(), NOW)
        assert "| ≥ 1 x | 1.00 x | 1.00 to 1.00 | 1 | yes |" in page
        assert "| ≥ 5 x | 1.00 x | 1.00 to 1.00 | 1 | **no** |" in page
        assert {goal.key for goal in report.unmet(everything(1.0))} == {
            *("hello.fastapi", "hello.functions", "hello.equipped", "cold.again", "memory.returned"),
            *("aggregate.fastify", "aggregate.starlette", "aggregate.fastapi", "budget.traffic"),
            *("resilience.churn", "resilience.hedge", "offline.acknowledged"),
        }

    def test_a_small_limit_is_told_to_the_hundredth(self):
        """0.25 ms is neither 0.2 nor 0.3."""
        goal = next(goal for goal in GOALS if goal.key == "cold.again")
        assert report.number(goal, 0.254) == "0.25"

    def test_a_failure_names_its_cause_but_no_output_of_the_machine(self):
        page = report.render({"hello": "it ended\n/home/me/secret"}, FACTS, Effort(), NOW)
        assert "`hello` failed: it ended" in page
        assert "/home/me" not in page

    def test_a_missing_figure_makes_the_run_incomplete(self):
        assert report.is_whole(everything(1.0))
        assert not report.is_whole({"hello": "failed"})
        assert not report.is_whole({"hello": Outcome()})

    def test_a_quick_run_says_that_it_is_none(self):
        assert "no figures" in report.render({}, FACTS, Effort.quick(), NOW)
        assert "no figures" not in report.render({}, FACTS, Effort(), NOW)

    def test_tables_and_versions_are_on_the_page(self):
        table = Table(title="Hello", head=("server",), rows=[("a|b",)], note="Note.")
        page = report.render({"hello": Outcome(tables=[table])}, FACTS, Effort(), NOW)
        assert "## Hello\n\n| server |\n| --- |\n| a\\|b |\n\nNote." in page
        assert "| uvicorn | 0.40 |" in page

    def test_raw_rows_can_be_read_back(self, tmp_path):
        outcome = Outcome(figures={"hello.fastapi": Series.of([2, 3])}, rows=[{"benchmark": "hello"}])
        path = report.write_raw({"hello": outcome, "edit": "why"}, FACTS, NOW, tmp_path)
        assert json.loads(path.read_text()) == {
            "facts": FACTS,
            "figures": {"hello.fastapi": [2, 3]},
            "failures": {"edit": "why"},
            "rows": [{"benchmark": "hello"}],
        }

    def test_an_optimised_interpreter_is_told_from_a_plain_one(self):
        configured = {"CONFIG_ARGS": "'--prefix=/secret' '--enable-optimizations' '--with-lto'"}
        assert machine.build_flags(configured) == (
            "an optimised build by its flags (--enable-optimizations --with-lto)"
        )
        assert machine.build_flags({"CONFIG_ARGS": None}).startswith("its flags name no")
        assert machine.installed("no-such-package-of-ours") == "not installed"
