"""Our families say what prometheus_client's own would say, without a lock; and forget what is gone."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics

from bff.telemetry import families

BOUNDS = (0.001, 0.5, 1.0, 2.5)


def said(registry: CollectorRegistry) -> list[str]:
    """The exposition without the instants at which prometheus_client made its series."""
    lines = generate_latest(registry).decode().splitlines()
    return sorted(line for line in lines if "_created" not in line)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["users", 'a "quoted"\nname']),
            st.sampled_from([0.0, 0.001, 0.0011, 0.5, 1.0, 2.5, 2.6, 1e6]),
        ),
        max_size=20,
    )
)
def test_its_exposition_is_prometheus_clients(observed: list[tuple[str, float]]) -> None:
    """Bucket by bucket, on the bounds and beyond them, whatever the labels."""
    own, theirs = CollectorRegistry(), CollectorRegistry()
    ours = families.Histogram("took_seconds", "How long.", ("service",), bounds=BOUNDS, registry=own)
    other = Histogram("took_seconds", "How long.", ("service",), buckets=BOUNDS, registry=theirs)
    for service, seconds in observed:
        ours.series(service).observe(seconds)
        other.labels(service).observe(seconds)
    assert said(own) == said(theirs)


def test_a_series_is_found_again_by_the_key_it_was_given() -> None:
    """One that is never given a key, as for labels that anybody can make up, is found by its labels only."""
    histogram = families.Histogram("s", "s", ("method",), bounds=BOUNDS, registry=CollectorRegistry())
    made = histogram.series("GET", key=("GET", 200))
    assert histogram.known(("GET", 200)) is made
    assert histogram.series("GET") is made
    histogram.series("other")
    assert histogram.known("other") is None


def test_counters_and_gauges_are_prometheus_clients_too() -> None:
    """With labels, and a counter without any from the beginning."""
    own, theirs = CollectorRegistry(), CollectorRegistry()
    ours = families.Counter("things_total", "Things.", ("kind",), registry=own)
    other = Counter("things_total", "Things.", ("kind",), registry=theirs)
    families.Counter("none_total", "None.", (), registry=own)
    Counter("none_total", "None.", registry=theirs)
    level, theirs_level = (
        families.Gauge("level", "Level.", ("kind",), registry=own),
        Gauge("level", "Level.", ("kind",), registry=theirs),
    )
    for kind in ("a", 'b"\n', "a"):
        ours.inc(kind)
        other.labels(kind).inc()
        level.put(0.5, kind)
        theirs_level.labels(kind).set(0.5)
    assert said(own) == said(theirs)


def test_what_is_gone_is_found_no_more_by_any_key() -> None:
    """A late call begins anew, from nothing."""
    family = families.Counter("c_total", "c", ("function", "revision"), registry=CollectorRegistry())
    family.series("home", "home-1", key="k").value += 5
    family.series("home", "home-2", key="m").value += 7
    family.drop(lambda labels: labels[1] == "home-1")
    assert family.known("k") is None
    assert [(labels, count.value) for labels, count in family.items()] == [(("home", "home-2"), 7)]
    assert family.series("home", "home-1", key="k").value == 0


def test_keys_are_remembered_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond it, a series is found by its labels."""
    monkeypatch.setattr(families, "MOST_KNOWN", 2)
    family = families.Counter("c_total", "c", ("n",), registry=CollectorRegistry())
    for number in range(4):
        family.series(str(number), key=number).value += 1
    assert [family.known(number) is not None for number in range(4)] == [True, True, False, False]
    assert family.series("3", key=3).value == 1


def test_exemplars_are_told_in_openmetrics_only() -> None:
    """The last one of each bucket, with the time at which it was."""
    own = CollectorRegistry()
    histogram = families.Histogram("s", "s", (), bounds=BOUNDS, registry=own, to_wall=lambda: 1000.0)
    series = histogram.series()
    for seconds, trace in ((0.2, "a" * 32), (0.3, "b" * 32), (9.0, "c" * 32)):
        series.observe(seconds)
        series.exemplify(seconds, trace, 5.0)
    text = openmetrics(own).decode()
    assert f's_bucket{{le="0.5"}} 2.0 # {{trace_id="{"b" * 32}"}} 0.3 1005.0' in text
    assert f's_bucket{{le="+Inf"}} 3.0 # {{trace_id="{"c" * 32}"}} 9.0 1005.0' in text
    assert "#" not in "".join(line for line in said(own) if not line.startswith("#"))
