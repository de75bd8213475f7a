"""Our histograms say what prometheus_client's own would say."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.exposition import generate_latest

from bff.telemetry.durations import DurationHistogram

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
    ours = DurationHistogram("took_seconds", "How long.", ("service",), bounds=BOUNDS, registry=own)
    other = Histogram("took_seconds", "How long.", ("service",), buckets=BOUNDS, registry=theirs)
    for service, seconds in observed:
        ours.series(service).observe(seconds)
        other.labels(service).observe(seconds)
    assert said(own) == said(theirs)


def test_a_series_is_found_again_by_the_key_it_was_given() -> None:
    """One that is never given a key, as for labels that anybody can make up, is found by its labels only."""
    histogram = DurationHistogram("s", "s", ("method",), bounds=BOUNDS, registry=CollectorRegistry())
    made = histogram.series("GET", key=("GET", 200))
    assert histogram.known(("GET", 200)) is made
    assert histogram.series("GET") is made
    histogram.series("other")
    assert histogram.known("other") is None
