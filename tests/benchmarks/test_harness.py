"""The harness measures what it says it measures; no load is needed to know that."""

import json
import os
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from benchmarks import catalogue, hello, machine, processes, report
from benchmarks.__main__ import BENCHMARKS, arguments
from benchmarks.edit import SAVES
from benchmarks.figures import (
    GOALS,
    Series,
    paired_budget,
    paired_differences,
    paired_ratios,
)
from benchmarks.load import LoadError, Window, by_round, check_log, disturbances, parse_wrk, quietest
from benchmarks.outcome import Effort, Outcome, Table, spread
from benchmarks.servers import (
    LOAD_CORE,
    SERVER_CORE,
    Server,
    ServerError,
    ask,
    environment,
    free_port,
    on_core,
    running,
)

NOW = datetime(2026, 1, 2, tzinfo=UTC)
FACTS = {"python": "CPython 3.11", "uvicorn": "0.40"}
WRK = """Running 2s test @ http://127.0.0.1:8000/hello
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.10ms  210.00us  12.54ms   97.10%
    Req/Sec    29.03k     1.10k   30.01k    85.00%
  Latency Distribution
     50%    1.07ms
     75%    1.12ms
     90%    1.21ms
     99%  850.00us
  57772 requests in 2.00s, 8.21MB read
Requests/sec:  28886.35
Transfer/sec:      4.10MB
"""


def window(server: Server, number: int, rps: float, cpu: float) -> Window:
    return Window(
        server=server.name,
        round=number,
        requests=100,
        rps=rps,
        p50=0.001,
        p99=0.002,
        cpu=cpu,
        used=1.0,
        foreign=0.0,
        load_foreign=0.0,
    )


def whole_run() -> list[Window]:
    """Two rounds there and back; the machine runs at half speed in the second."""
    speeds = {0: 1.0, 1: 0.5}
    return [
        window(server, number, (10 + place) * speed, (1 + place) * 1e-5 / speed)
        for number, speed in speeds.items()
        for _ in ("there", "back")
        for place, server in enumerate(hello.SERVERS)
    ]


def everything(value: float) -> dict[str, Outcome]:
    return {
        name: Outcome(figures={g.key: Series.of([value]) for g in GOALS if g.benchmark == name})
        for name in BENCHMARKS
    }


class TestReadingWrk:
    def test_rates_and_times_come_out_in_seconds(self):
        seen = parse_wrk(WRK)
        assert (seen.requests, seen.rps) == (57772, 28886.35)
        assert (seen.p50, seen.p99) == pytest.approx((0.00107, 0.00085))

    @pytest.mark.parametrize(("time", "seconds"), [("1.50s", 1.5), ("2.00m", 120.0), ("900.00us", 0.0009)])
    def test_every_unit_is_known(self, time, seconds):
        assert parse_wrk(WRK.replace("1.07ms", time)).p50 == pytest.approx(seconds)

    @pytest.mark.parametrize(
        "line", ["  Socket errors: connect 0, read 3, write 0, timeout 0", "  Non-2xx or 3xx responses: 12"]
    )
    def test_a_wrong_answer_spoils_the_window(self, line):
        with pytest.raises(LoadError, match=line.strip()):
            parse_wrk(WRK + line + "\n")

    @pytest.mark.parametrize(
        "text", ["", WRK.replace("57772", "0"), WRK.replace("99%", "98%"), WRK.replace("Requests/sec", "?")]
    )
    def test_what_is_not_there_is_not_guessed(self, text):
        with pytest.raises(LoadError):
            parse_wrk(text)


class TestArithmetic:
    def test_a_series_knows_its_middle_and_its_ends(self):
        seen = Series.of([3, 1, 2, 100])
        assert (seen.median, seen.low, seen.high) == (2.5, 1, 100)
        assert spread(seen, 1) == "2.5 (1.0 to 100.0)"
        with pytest.raises(ValueError, match="at least one"):
            Series.of([])

    def test_pairs_are_made_round_by_round(self):
        assert paired_ratios([10, 5], [20, 10]).values == (0.5, 0.5)
        assert paired_differences([10, 5], [4, 4]).values == (6, 1)
        assert paired_budget([37e-6, 74e-6], [22e-6, 44e-6]).values == pytest.approx((15, 15))

    def test_a_round_that_one_side_missed_is_an_error(self):
        with pytest.raises(ValueError, match="shorter"):
            paired_ratios([1, 2], [1])

    def test_a_round_is_the_mean_of_there_and_back(self):
        windows = [window(catalogue.UVICORN, n, rps, 1) for n, rps in [(0, 10), (1, 7), (1, 9), (0, 20)]]
        assert by_round(windows, catalogue.UVICORN, "rps") == [15, 8]

    def test_a_slow_round_leaves_the_ratios_alone(self):
        found = hello.figures(whole_run(), hello.SERVERS)
        assert found["hello.starlette"].low == found["hello.starlette"].high
        assert found["hello.budget_bare"].values == pytest.approx((44, 44))

    def test_the_rounds_kept_are_the_least_disturbed_whoever_won(self):
        disturbed = {0: (0.0, 0.4), 1: (0.0, 0.0), 2: (0.05, 0.0)}
        windows = [
            replace(window(server, number, 10, 1), foreign=shares[0], load_foreign=shares[1] * place)
            for number, shares in disturbed.items()
            for place, server in enumerate([catalogue.UVICORN, catalogue.BFF_BARE])
        ]
        assert disturbances(windows) == {0: 0.4, 1: 0.0, 2: 0.05}
        assert {seen.round for seen in quietest(windows, 2)} == {1, 2}
        assert quietest(windows, 3) == windows

    def test_limits_themselves_are_met(self):
        for goal in GOALS:
            better = 1 if goal.sense == "≥" else -1
            assert goal.is_met(goal.limit)
            assert goal.is_met(goal.limit + better)
            assert not goal.is_met(goal.limit - better / 100)


class TestReport:
    def test_no_figure_is_lost(self):
        """Each goal has one row, whether measured, failed or not run."""
        for results in ({}, {"hello": "wrk is not installed"}, everything(1.0)):
            page = report.render(results, FACTS, Effort(), NOW)
            assert all(page.count(f"| {goal.says} |") == 1 for goal in GOALS)

    def test_each_benchmark_owes_figures_and_each_figure_has_a_benchmark(self):
        assert {goal.benchmark for goal in GOALS} == set(BENCHMARKS)
        assert len({goal.key for goal in GOALS}) == len(GOALS)
        assert set(hello.figures(whole_run(), hello.SERVERS)) == {
            goal.key for goal in GOALS if goal.benchmark == "hello"
        }
        assert {f"edit.{saved}" for saved in SAVES} == {g.key for g in GOALS if g.benchmark == "edit"}

    def test_met_and_missed_are_told_apart(self):
        page = report.render(everything(1.0), FACTS, Effort(), NOW)
        assert "| ≥ 0.9 x | 1.00 x | 1.00 to 1.00 | 1 | yes |" in page
        assert "| ≥ 5 x | 1.00 x | 1.00 to 1.00 | 1 | **no** |" in page
        assert {goal.key for goal in report.unmet(everything(1.0))} == {"hello.fastapi", "hello.functions"}

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

    def test_the_hello_table_names_every_server(self):
        rows = hello.table(whole_run(), hello.SERVERS, "2 of 2").rows
        assert [row[0] for row in rows] == [server.name for server in hello.SERVERS]

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


class TestServers:
    @pytest.mark.parametrize("peer", catalogue.PEERS, ids=lambda peer: peer.name)
    def test_every_peer_answers_what_it_must(self, peer):
        with running(peer) as run:
            status, body = ask(run.port, peer.path)
            assert (status, json.loads(body)) == (200, {"hello": "world"})
            assert processes.resident_bytes(processes.tree(run.process.pid)) > 1_000_000
        assert run.process.returncode is not None

    @pytest.mark.parametrize("ours", catalogue.OURS, ids=lambda ours: ours.name)
    def test_ours_answers_the_same(self, ours):
        with running(ours) as run:
            status, body = ask(run.port, ours.path)
            assert status == 200
            assert ours.expected is None or json.loads(body) == {"hello": "world"}

    @pytest.mark.parametrize("equipped", [catalogue.STARLETTE_EQUIPPED, catalogue.BFF_EQUIPPED])
    def test_every_request_owes_a_log_line(self, equipped):
        with running(equipped) as run:
            for _ in range(20):
                ask(run.port, equipped.path)
            check_log(run, 21)

    def test_a_lost_log_line_fails_the_run(self):
        with (
            running(catalogue.STARLETTE_EQUIPPED) as run,
            pytest.raises(ServerError, match="logged 1 of 2"),
        ):
            check_log(run, 2, timeout=0)

    def test_the_equipped_peer_wears_what_it_says(self):
        with running(catalogue.STARLETTE_EQUIPPED) as run:
            _, metrics = ask(run.port, "/metrics")
            lines = [json.loads(line) for line in run.tail().splitlines()]
        assert b'http_requests_total{method="GET",route="/hello",status="200"}' in metrics
        assert (lines[0]["route"], lines[0]["status"], lines[0]["level"]) == ("/hello", 200, "info")
        assert len(lines[0]["request_id"]) == 32

    def test_a_wrong_answer_is_never_measured(self):
        liar = Server(name="liar", argv=catalogue.UVICORN.argv, expected={"hello": "moon"})
        with pytest.raises(ServerError, match="liar answered"), running(liar):
            pass

    def test_a_server_that_dies_says_why(self):
        dead = Server(name="dead", argv=(*catalogue.UVICORN.argv[:1], "-c", "raise SystemExit('no luck')"))
        with pytest.raises(ServerError, match=r"dead ended with 1[\s\S]*no luck"), running(dead):
            pass

    def test_the_callers_switches_reach_no_server(self, monkeypatch):
        monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
        assert "PYTHONDONTWRITEBYTECODE" not in environment({})
        assert environment({"A": "b"})["A"] == "b"

    def test_pinning_ends_with_its_block(self):
        before = os.sched_getaffinity(0)
        with on_core(SERVER_CORE):
            assert os.sched_getaffinity(0) == {SERVER_CORE}
        assert os.sched_getaffinity(0) == before
        assert LOAD_CORE in before

    def test_a_free_port_is_a_port(self):
        assert 1024 <= free_port() < 65536

    def test_our_own_cpu_time_is_seen(self):
        assert processes.cpu_seconds([os.getpid()]) > 0
        assert processes.cpu_seconds([]) == 0
        assert processes.busy_seconds(SERVER_CORE) > 0
        assert os.getpid() in processes.tree(os.getppid())


class TestCommandLine:
    def test_parts_can_be_chosen(self):
        assert arguments([]).only is None
        assert arguments(["--only", "edit", "--only", "hello", "--quick"]).only == ["edit", "hello"]

    def test_an_unknown_part_is_refused(self, capsys):
        with pytest.raises(SystemExit):
            arguments(["--only", "nothing"])
        assert "invalid choice" in capsys.readouterr().err

    def test_quick_is_quicker_in_every_way(self):
        full, quick = Effort(), Effort.quick()
        for what in ("rounds", "spare_rounds", "seconds", "starts", "imports", "rests", "edits"):
            assert getattr(quick, what) < getattr(full, what)
