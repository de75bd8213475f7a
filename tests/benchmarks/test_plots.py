"""The plots of the how-to show what the policies do, and are what the script draws."""

import pytest

from benchmarks import plots
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
    closed = plots.waiting(5)
    assert sum(count for second, count in closed if 10 <= second < 40) < 20
    assert [count for second, count in closed if second >= 50] == [50.0] * 10
    assert sum(count for second, count in plots.waiting(0) if 10 <= second < 40) == 1500


def test_a_drawing_stays_within_its_frame() -> None:
    """Whatever the numbers are."""
    svg = Plot(title="t", x="x", y="y", lines=[Line(name="n", points=[(0, 0), (5, 1e6)])]).svg()
    assert svg.count("<polyline") == 1
    assert 'points="60.0,256.0 490.0' in svg
