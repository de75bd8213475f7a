"""The plots of the how-to show what the policies do, and are what the script draws."""

import pytest

from benchmarks import endpointplots, plots
from benchmarks.drawing import Line, Plot


@pytest.mark.parametrize("name", plots.PLOTS)
def test_a_plot_on_the_page_is_the_one_the_script_draws(name: str) -> None:
    """After a change of a policy: python -m benchmarks.plots."""
    assert (plots.FOLDER / f"{name}.svg").read_text("utf-8") == plots.PLOTS[name]().svg()


def test_the_storm_is_bounded_and_would_not_be_without_a_budget() -> None:
    """All answers fail: a fifth more by default, three times as much without a budget, nothing more without retries."""
    at_worst = {line.name: line.points[-1][1] for line in plots.storm().lines}
    assert at_worst["no budget, 2 retries"] == pytest.approx(3.0, abs=0.01)
    assert 1.19 < at_worst["2 retries (default)"] < 1.25
    assert at_worst["attempts: 0"] == 1.0


def test_the_tail_is_halved() -> None:
    """At the 99th percentile."""
    at_99 = {line.name: dict(line.points)[99.0] for line in plots.tail().lines}
    assert at_99["max_extra_load: 2%"] < at_99["no hedge"] / 2


def test_the_breaker_lets_a_dead_service_be() -> None:
    """Fifteen hundred calls come during the outage: a few are let through, and all of them after it."""
    closed = endpointplots.waiting(5)
    assert sum(count for second, count in closed if 10 <= second < 40) < 20
    assert [count for second, count in closed if second >= 50] == [50.0] * 10
    assert sum(count for second, count in endpointplots.waiting(0) if 10 <= second < 40) == 1500


def test_a_black_hole_holds_what_its_places_allow() -> None:
    """The last point of each line; a thousand come within the five seconds that each is held."""
    at_end = {line.name: line.points[-1][1] for line in endpointplots.places().lines}
    assert at_end == {"defaults: 100 and 1024": 1000, "50 and 100": 150, "100 and max_pending: 0": 100}


def test_an_attempt_with_a_time_of_its_own_saves_the_call() -> None:
    """One in ten hangs: nearly nobody notices; without it, one call in ten is lost."""
    assert endpointplots.in_time(0.1, 0.0) == pytest.approx(90, abs=0.5)
    assert endpointplots.in_time(0.1, 0.3) > 99.5


def test_half_of_the_endpoints_may_be_dead_where_half_may_be_out() -> None:
    assert endpointplots.failing(5, {"max_ejection_percent": 50}) < 1
    assert endpointplots.failing(5, {}) > 40
    assert endpointplots.failing(9, {"max_ejection_percent": 100, "panic_threshold": 0}) < 1


def test_a_slow_endpoint_is_left_to_its_slowness() -> None:
    """A quarter of the calls are slow in turn, hardly any by least request."""
    slow = {
        name: sum(took > 0.1 for took in endpointplots.taking(name))
        for name in ("round_robin", "least_request")
    }
    assert slow["least_request"] * 8 < slow["round_robin"]


def test_a_newcomer_grows_into_its_share() -> None:
    shares = dict(endpointplots.joining({"policy": "round_robin", "slow_start": "30s"}))
    assert shares[9] == 0 < shares[10] < 5 < shares[25] < 20 < shares[45] == 25


def test_a_drawing_stays_within_its_frame() -> None:
    """Whatever the numbers are."""
    svg = Plot(title="t", x="x", y="y", lines=[Line(name="n", points=[(0, 0), (5, 1e6)])]).svg()
    assert svg.count("<polyline") == 1
    assert 'points="60.0,256.0 490.0' in svg
