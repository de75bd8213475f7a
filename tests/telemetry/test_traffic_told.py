"""What operators read of traffic and releases: lines with numbers, series that go with their revisions."""

from __future__ import annotations

import io
import json
from typing import Any

from bff.signals import ReleaseTurned, Signals, TrafficMoved
from bff.telemetry.eventlog import EventLog
from bff.telemetry.lines import open_lines
from bff.telemetry.metrics import Metrics


def moved(before: str, after: str, **shares: int) -> TrafficMoved:
    by_name = {name.replace("_", "-"): share for name, share in shares.items()}
    return TrafficMoved(function="home", before=before, after=after, latest="home-2", shares=by_name)


TURNED = ReleaseTurned(
    function="home",
    canary="home-2",
    baseline="home-1",
    event="condemn",
    state="rolled-back",
    percent=0,
    why="The canary is worse.",
    numbers={"outcome": "bad"},
)


def lines_of(*said: Any, monkeypatch: Any) -> list[dict[str, Any]]:
    out = io.StringIO()
    monkeypatch.setattr("sys.stdout", out)
    lines, signals = open_lines(format="json", level="debug"), Signals()
    EventLog(lines).listen(signals)
    for each in said:
        signals.emit(each)
    lines.flush()
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_a_release_that_ends_badly_is_a_warning_with_its_numbers(monkeypatch: Any) -> None:
    """Whoever is on call reads why."""
    (line,) = lines_of(TURNED, monkeypatch=monkeypatch)
    assert (line["level"], line["event"]) == ("warning", "release: condemn")
    assert (line["function"], line["revision"], line["baseline"]) == ("home", "home-2", "home-1")
    assert (line["why"], line["numbers"]) == ("The canary is worse.", {"outcome": "bad"})


def test_only_a_real_move_is_a_line(monkeypatch: Any) -> None:
    """A first revision, and a newer one in the latest's place, have lines of their own."""
    first = moved("", "latest=100", home_1=100)
    newer = moved("latest=100", "latest=100", home_2=100)
    real = moved("latest=100", "home-1=90, home-2=10", home_1=90, home_2=10)
    (line,) = lines_of(first, newer, real, monkeypatch=monkeypatch)
    assert (line["event"], line["before"], line["after"]) == (
        "traffic moved",
        "latest=100",
        "home-1=90, home-2=10",
    )


def test_series_come_and_go_with_revisions() -> None:
    """A revision no call can reach has none."""
    metrics, signals = Metrics(), Signals()
    metrics.listen(signals)
    signals.emit(moved("", "a", home_1=90, home_2=10))
    assert 'bff_traffic_ratio{function="home",revision="home-2"} 0.1' in metrics.scrape.now()[0].decode()
    signals.emit(moved("a", "b", home_1=100))
    signals.emit(TURNED)
    told = metrics.scrape.now()[0].decode()
    assert 'bff_traffic_ratio{function="home",revision="home-1"} 1.0' in told
    assert 'bff_traffic_ratio{function="home",revision="home-2"}' not in told
    assert 'bff_release_events_total{event="condemn",function="home",revision="home-2"} 1.0' in told
    assert 'bff_release_verdicts_total{function="home",revision="home-2",verdict="bad"} 1.0' in told
