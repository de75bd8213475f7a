"""The harness measures what it says it measures; no load is needed to know that."""

from dataclasses import fields, replace
from pathlib import Path

import pytest

from benchmarks import aggregate, catalogue, hello, passing
from benchmarks.__main__ import arguments
from benchmarks.figures import (
    GOALS,
    Series,
    paired_budget,
    paired_differences,
    paired_ratios,
)
from benchmarks.load import CONNECTIONS, LoadError, Window, by_round, disturbances, parse_wrk, quietest
from benchmarks.outcome import Effort, spread
from benchmarks.servers import (
    Server,
)
from bff.config.loading import load

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


def shares_calls(server: Server) -> bool:
    """Whether it is ours, and one of its services asks once for what is wanted twice at a time."""
    if "--config" not in server.argv:
        return False
    config = Path(server.argv[server.argv.index("--config") + 1])
    services = load(config, environ={"UPSTREAM": "http://127.0.0.1:9"}).services
    return any(each.coalesce for each in services.values())


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

    def test_hello_measures_every_figure_it_owes(self):
        assert set(hello.figures(whole_run(), hello.SERVERS)) == {
            goal.key for goal in GOALS if goal.benchmark == "hello"
        }

    def test_the_aggregate_measures_every_figure_it_owes(self):
        """Also that of one caller alone, which is another window."""
        windows = [
            replace(window(server, 0, 10 + place, 1e-4), connections=connections)
            for connections in (CONNECTIONS, aggregate.ALONE)
            for place, server in enumerate(catalogue.AGGREGATORS)
        ]
        found = aggregate.figures(windows, catalogue.AGGREGATORS)
        assert set(found) == {goal.key for goal in GOALS if goal.benchmark == "aggregate"}
        assert found["aggregate.fastify"].values == pytest.approx((10 / 11,))
        assert [row[0] for row in aggregate.table(windows, catalogue.AGGREGATORS, "1 of 1").rows] == [
            server.name for server in catalogue.AGGREGATORS
        ]

    def test_whoever_is_compared_sends_three_calls_a_page(self):
        """Ours shares identical calls by default, which the peers do not: it is off wherever a ratio is taken."""
        sharing = [server for server in catalogue.AGGREGATORS if shares_calls(server)]
        assert sharing == [catalogue.BFF_AGGREGATE_SHARED]
        assert catalogue.BFF_AGGREGATE_SHARED not in aggregate.RATIOS.values()

    def test_passing_compares_what_the_same_number_of_callers_got(self):
        servers = [catalogue.BFF_PASSING, catalogue.REPLY_FROM]
        kept = {
            size: [
                replace(window(server, 0, 10 + place, 1e-4), connections=callers)
                for place, server in enumerate(servers)
            ]
            for size, callers in passing.CALLERS.items()
        }
        rows = passing.table(kept, servers).rows
        assert [(row[0], row[1]) for row in rows] == [(s.name, size) for size in kept for s in servers]
        assert rows[1][3] == "0.91 (0.91 to 0.91)"

    def test_the_hello_table_names_every_server(self):
        rows = hello.table(whole_run(), hello.SERVERS, "2 of 2").rows
        assert [row[0] for row in rows] == [server.name for server in hello.SERVERS]

    def test_limits_themselves_are_met(self):
        for goal in GOALS:
            better = 1 if goal.sense == "≥" else -1
            assert goal.is_met(goal.limit)
            assert goal.is_met(goal.limit + better)
            assert not goal.is_met(goal.limit - better / 100)


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
        efforts = {field.name for field in fields(Effort)} - {"is_quick", "say"}
        assert {"rounds", "starts", "edits", "cycles"} <= efforts
        for what in efforts:
            assert getattr(quick, what) < getattr(full, what)
