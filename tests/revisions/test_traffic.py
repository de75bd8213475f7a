"""Knative's traffic block: what is read, what is refused and with which words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bff.revisions.traffic import LATEST, Target, Traffic, TrafficInvalid, parsed


def test_a_block_is_read_and_written_as_knative_does():
    block = [
        {"revisionName": "home-00002", "percent": 90},
        {"latestRevision": True, "percent": 10, "tag": "candidate"},
    ]
    traffic = parsed(block)
    assert traffic == Traffic(
        (Target(revision="home-00002", percent=90), Target(percent=10, tag="candidate"))
    )
    assert traffic.block() == block
    assert traffic.names() == {"home-00002"}
    assert str(traffic) == "home-00002=90, latest=10 (candidate)"


def test_a_function_nobody_touched_sends_everything_to_the_latest_revision():
    assert LATEST.block() == [{"latestRevision": True, "percent": 100}]


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ("home-00001", "is a list of targets"),
        ({"revisionName": "home-00001"}, "is a list of targets"),
        (None, "is a list of targets"),
        ([], "sum up to 0"),
        (["home-00001"], r"traffic\[0\] is no target"),
        ([{"revisionName": "a-00001", "percent": 99}], "sum up to 99"),
        (
            [{"revisionName": "a-00001", "percent": 60}, {"latestRevision": True, "percent": 60}],
            "sum up to 120",
        ),
        ([{"revisionName": "a-00001", "percent": -1}], r"traffic\[0\].percent is -1"),
        ([{"revisionName": "a-00001", "percent": 50.5}], r"traffic\[0\].percent is a whole number"),
        ([{"revisionName": "a-00001", "percent": True}], r"traffic\[0\].percent is a whole number"),
        ([{"revisionName": "a-00001", "percent": "100"}], r"traffic\[0\].percent is a whole number"),
        ([{"percent": 100}], "either revisionName or latestRevision"),
        ([{"latestRevision": False, "percent": 100}], "either revisionName or latestRevision"),
        ([{"latestRevision": 1, "percent": 100}], "either revisionName or latestRevision"),
        ([{"revisionName": "a", "latestRevision": True, "percent": 100}], "either revisionName or"),
        ([{"revisionName": 7, "percent": 100}], "revisionName is a revision's name"),
        ([{"latestRevision": True, "percent": 100, "tag": "Upper"}], "tag is no name"),
        ([{"latestRevision": True, "percent": 100, "tag": "a" * 64}], "tag is no name"),
        ([{"latestRevision": True, "percent": 100, "tag": 5}], "tag is text"),
        ([{"latestRevision": True, "percent": 100, "weight": 5}], "no key weight"),
        (
            [
                {"latestRevision": True, "percent": 100, "tag": "now"},
                {"revisionName": "a-00001", "percent": 0, "tag": "now"},
            ],
            r"traffic\[1\].tag now stands twice",
        ),
    ],
)
def test_what_cannot_be_obeyed_is_refused_with_its_place(block, said):
    with pytest.raises(TrafficInvalid, match=said):
        parsed(block)


@given(st.lists(st.integers(0, 100), min_size=1, max_size=6))
def test_only_blocks_that_sum_up_to_a_hundred_can_be(percents):
    block = [{"revisionName": f"a-{at:05d}", "percent": percent} for at, percent in enumerate(percents)]
    if sum(percents) == 100:
        assert parsed(block).block() == block
    else:
        with pytest.raises(TrafficInvalid, match="sum up to"):
            parsed(block)
