"""Which sources nobody outside may send events under."""

from __future__ import annotations

import pytest

from bff.errors import BadRequest
from bff.events.ownsources import OwnSources
from bff.sdk.cloudevent import CloudEvent

OWN = OwnSources(schedules=["warm"], pipelines=["images"], has_calls=True)


def event(source: str) -> CloudEvent:
    return CloudEvent(id="1", source=source, type="t")


@pytest.mark.parametrize(
    "source",
    ["/schedules/warm", "/schedules/warm/by-hand", "/pipelines/images", "/pipelines/images/r1", "/calls/f/-"],
)
def test_a_source_of_the_gateways_own_is_refused(source: str) -> None:
    with pytest.raises(BadRequest, match=r"Event 1: source .* send it under another source"):
        OWN.refuse([event("/shop"), event(source)])


@pytest.mark.parametrize(
    "source",
    [
        "/schedules/other",
        "/pipelines/other/r1",
        "/schedules",
        "schedules/warm",
        "https://a/schedules/warm",
        "/calls",
    ],
)
def test_every_other_one_passes(source: str) -> None:
    """Names that are not declared here may be another gateway's."""
    OWN.refuse([event(source)])


def test_where_nothing_is_declared_nothing_is_refused() -> None:
    OwnSources().refuse([event("/calls/f/-"), event("/schedules/warm"), event("/pipelines/images/r1")])
