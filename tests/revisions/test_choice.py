"""Which revision a call gets: the order of the ways, who may choose, and shares that hold and only grow."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from math import sqrt
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from bff.clock import SystemClock
from bff.config import FunctionConfig
from bff.revisions.choice import Chooser, Choosing, Chosen, OverrideUnknown, cohorts
from bff.revisions.choosing import choosing_of
from bff.revisions.revision import Revision
from bff.revisions.routing import Routing
from bff.revisions.snapshot import Snapshot
from bff.revisions.traffic import Target, Traffic
from bff.sdk.caller import NOBODY, Caller
from bff.sdk.cohort import Cohort, Side
from bff.sdk.invocation import Incoming, Invocation

NOWHERE = Snapshot("home", Path(), {}, {}, frozenset(), frozenset(), "d", {})
TOKEN = "0123456789abcdef"
LOCAL = {"addresses": ["127.0.0.0/8"]}


def routing(shares: Mapping[str, int], released: str = "", **tags: str) -> Routing:
    """``routing({"1": 90, "2": 10}, candidate="2")``: shares by number, tags; ``released`` is a release's canary."""
    by_number = {number: tag for tag, number in tags.items()}
    targets = tuple(
        Target(revision=f"home-{number}", percent=percent, tag=by_number.get(number, ""))
        for number, percent in shares.items()
    )
    revisions = {f"home-{number}": Revision(f"home-{number}", "home", NOWHERE, 0) for number in shares}
    latest = max(revisions, key=lambda name: int(name.rpartition("-")[2]))
    canary = f"home-{released}" if released else ""
    return Routing(traffic=Traffic(targets), revisions=revisions, latest=latest, canary=canary)


def choosing(**traffic: Any) -> Choosing:
    lane = traffic.pop("lane", None)
    return choosing_of("home", FunctionConfig.model_validate({"traffic": traffic, "lane": lane}))


def compiled(made: Choosing, traffic: Routing) -> Chooser:
    chooser = made.compiled(traffic)
    assert chooser is not None
    return chooser


def call(
    *headers: tuple[str, str],
    query: str = "",
    client: str = "127.0.0.1",
    lane: str = "",
    claims: Mapping[str, Any] | None = None,
) -> Invocation:
    invocation = Invocation(request_id="r", method="GET", clock=SystemClock(), started=0.0)
    pairs = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    scope = {"type": "http", "headers": pairs, "query_string": query.encode()}
    invocation.incoming = Incoming(scope, None, {}, 0)
    invocation.client, invocation.lane = client, lane
    invocation.caller = Caller(subject="ann", scheme="sso", claims=claims) if claims is not None else NOBODY
    return invocation


# The order


ORDER = [
    (("Bff-Override", "home=home-4"), "home-4", "override"),
    (("Bff-Tag", "candidate"), "home-3", "tag"),
    (("x-beta", "yes"), "home-2", "rule"),
    (("x-user", "ann"), "home-1", "sticky"),
    (("x-other", "1"), "home-1", "sticky"),
]


@pytest.mark.parametrize("first", range(len(ORDER)))
def test_the_first_way_that_says_something_decides(first: int) -> None:
    """Override, then tag, then rules, then the sticky key; each prevails over all that follow it."""
    made = choosing(
        override=LOCAL,
        tag=LOCAL,
        match=[{"headers": {"x-beta": "yes"}, "revision": "home-2"}],
        sticky={"header": "x-user"},
    )
    chooser = compiled(made, routing({"1": 100, "2": 0, "3": 0, "4": 0}, candidate="3"))
    chosen = chooser(call(*(header for header, _, _ in ORDER[first:])))
    assert (chosen.revision, chosen.why) == ORDER[first][1:]


def test_one_revision_and_nobody_who_may_choose_needs_no_choice() -> None:
    """Then the hot path is what it was."""
    assert choosing(sticky={"client": True}).compiled(routing({"1": 100})) is None
    assert choosing(tag=LOCAL).compiled(routing({"1": 100})) is None
    assert choosing().compiled(routing({"1": 100}, stable="1")) is None
    assert choosing(override=LOCAL).compiled(routing({"1": 100})) is not None
    assert choosing(tag=LOCAL).compiled(routing({"1": 100}, stable="1")) is not None


# Overrides and tags


@pytest.mark.parametrize(
    ("trust", "asked", "is_allowed"),
    [
        (LOCAL, {}, True),
        (LOCAL, {"client": "10.0.0.1"}, False),
        (LOCAL, {"client": ""}, False),
        ({"addresses": "::ffff:127.0.0.0/104"}, {"client": "127.0.0.1"}, False),
        ({"addresses": "127.0.0.1"}, {"client": "::ffff:127.0.0.1"}, True),
        ({"token": TOKEN}, {}, False),
        ({"token": TOKEN}, {"token": TOKEN}, True),
        ({"token": TOKEN}, {"token": TOKEN[:-1]}, False),
        ({"token": TOKEN}, {"token": TOKEN + "\u00e9"}, False),
        ({"claims": {"role": "tester"}}, {}, False),
        ({"claims": {"role": "tester"}}, {"claims": {"role": "tester"}}, True),
        ({"claims": {"role": "tester", "team": "a"}}, {"claims": {"role": "tester"}}, False),
        ({"claims": {"role": "tester"}}, {"claims": {"role": "guest"}}, False),
        ({"claims": {"role": {"regex": ".*"}}}, {"claims": {}}, False),
        ({"addresses": "10.0.0.0/8", "token": TOKEN}, {"client": "10.1.1.1"}, True),
    ],
)
@pytest.mark.parametrize("way", ["override", "tag", "host"])
def test_only_who_is_trusted_chooses(
    trust: Mapping[str, Any], asked: dict[str, Any], way: str, *, is_allowed: bool
) -> None:
    """The words of others count for nothing: they get what everybody gets, and learn nothing."""
    asked = dict(asked)
    token = asked.pop("token", None)
    headers = {
        "override": [("Bff-Override", "home=home-2")],
        "tag": [("Bff-Tag", "candidate")],
        "host": [("Host", "candidate.example.com")],
    }[way]
    if token is not None:
        headers.append(("Bff-Override-Token", token))
    made = choosing(**{"tag" if way == "host" else way: trust})
    chosen = compiled(made, routing({"1": 100, "2": 0}, candidate="2"))(call(*headers, **asked))
    assert chosen.revision == ("home-2" if is_allowed else "home-1")


def test_an_override_may_name_several_functions() -> None:
    """Each finds its own; the others' do not concern it."""
    chooser = compiled(choosing(override=LOCAL), routing({"1": 100, "2": 0}))
    assert chooser(call(("Bff-Override", "a=a-9, home = home-2 ,b=b-1"))).revision == "home-2"
    assert chooser(call(("Bff-Override", "a=a-9"), ("Bff-Override", "home=home-2"))).revision == "home-2"
    for nothing in ("a=a-9", "", "home", "home=", "=home-2", ",,"):
        assert chooser(call(("Bff-Override", nothing))).revision == "home-1"


def test_an_override_that_names_no_revision_is_refused() -> None:
    """A tester must not take the usual revision for the one asked for; a stranger hears nothing."""
    chooser = compiled(choosing(override=LOCAL), routing({"1": 100}))
    for nonsense in ("shop-7", "home-seven", "home-", "home-7/..", "home-1234567890", "xhome-7"):
        with pytest.raises(OverrideUnknown, match="traffic has home-1") as refused:
            chooser(call(("Bff-Override", f"home={nonsense}")))
        assert refused.value.status == 400
        assert chooser(call(("Bff-Override", f"home={nonsense}"), client="10.0.0.1")).revision == "home-1"


def test_an_override_reaches_beyond_traffic() -> None:
    """Whether a revision without any is kept is found out by whoever is to wake it."""
    chooser = compiled(choosing(override=LOCAL), routing({"1": 100}))
    for name in ("home-7", "home-00007", "home-dev-7"):
        chosen = chooser(call(("Bff-Override", f"home={name}")))
        assert (chosen.revision, chosen.why, chosen.cohort, chosen.lane) == (name, "override", None, "")
    assert chooser(call(("Bff-Override", "home=home-7"), client="10.0.0.1")).revision == "home-1"


def test_a_tag_that_is_not_there_is_no_tag() -> None:
    """A page calls several functions with one header; only some have the tag."""
    chooser = compiled(choosing(tag=LOCAL), routing({"1": 100, "2": 0}, candidate="2"))
    assert chooser(call(("Bff-Tag", "other"), ("Host", "www.example.com"))).revision == "home-1"


def test_a_lane_leads_to_its_tag_and_travels_on() -> None:
    """The gateway has let it in already; who chose by tag gets the tag's lane."""
    chooser = compiled(choosing(tag=LOCAL), routing({"1": 100, "2": 0}, candidate="2"))
    assert chooser(call(lane="candidate")).revision == "home-2"
    assert chooser(call(lane="other")).revision == "home-1"
    assert chooser(call(("Bff-Tag", "candidate"))).lane == "candidate"


# Rules


RULES: list[tuple[dict[str, Any], dict[str, Any], bool]] = [
    ({"headers": {"X-Beta": "yes"}}, {"headers": [("x-beta", "yes")]}, True),
    ({"headers": {"x-beta": {"exact": "yes"}}}, {"headers": [("x-beta", "yess")]}, False),
    ({"headers": {"x-beta": {"prefix": "ye"}}}, {"headers": [("x-beta", "yes")]}, True),
    ({"headers": {"x-beta": {"prefix": "ye"}}}, {"headers": []}, False),
    ({"headers": {"x-beta": {"prefix": ""}}}, {"headers": []}, False),
    ({"headers": {"x-beta": {"regex": "y.s"}}}, {"headers": [("x-beta", "yes")]}, True),
    ({"headers": {"x-beta": {"regex": "y.s"}}}, {"headers": [("x-beta", "yes!")]}, False),
    ({"headers": {"x-beta": {"regex": "y.*"}}}, {"headers": [("x-beta", "y" * 300)]}, False),
    ({"headers": {"x-beta": "a, b"}}, {"headers": [("x-beta", "a"), ("x-beta", "b")]}, True),
    ({"headers": {"app-version": "<5.2"}}, {"headers": [("app-version", "5.1.9")]}, True),
    ({"headers": {"app-version": "<5.2"}}, {"headers": [("app-version", "5.2")]}, False),
    ({"cookies": {"beta": "1"}}, {"headers": [("cookie", "a=b; beta=1; c=d")]}, True),
    ({"cookies": {"beta": "1"}}, {"headers": [("cookie", "alphabeta=1")]}, False),
    ({"cookies": {"beta": "1"}}, {"headers": [("cookie", "a=b"), ("cookie", "beta=1")]}, True),
    ({"query": {"v": "2"}}, {"query": "x=1&v=2"}, True),
    ({"query": {"v": "2"}}, {"query": "v=1&v=2"}, False),
    ({"query": {"v": {"exact": "\u00e9 "}}}, {"query": "v=%C3%A9+"}, True),
    ({"query": {"v": "2"}}, {"query": "v=2&" + "&".join("a=1" for _ in range(200))}, False),
    ({"claims": {"plan": "pro"}}, {"claims": {"plan": "pro"}}, True),
    ({"claims": {"plan": "pro"}}, {}, False),
    ({"claims": {"beta": "true"}}, {"claims": {"beta": True}}, True),
    ({"claims": {"roles": {"regex": ".*tester.*"}}}, {"claims": {"roles": ["dev", "tester"]}}, True),
    ({"headers": {"x-beta": "yes"}, "query": {"v": "2"}}, {"headers": [("x-beta", "yes")]}, False),
    (
        {"headers": {"x-beta": "yes"}, "query": {"v": "2"}},
        {"headers": [("x-beta", "yes")], "query": "v=2"},
        True,
    ),
]


@pytest.mark.parametrize(("rule", "asked", "is_met"), RULES)
def test_a_rule_is_met_by_all_of_its_conditions(
    rule: dict[str, Any], asked: dict[str, Any], *, is_met: bool
) -> None:
    """Headers, cookies, query and claims; what a call does not say meets nothing."""
    asked = dict(asked)
    made = choosing(match=[{**rule, "tag": "candidate"}])
    chooser = compiled(made, routing({"1": 100, "2": 0}, candidate="2"))
    chosen = chooser(call(*asked.pop("headers", ()), **asked))
    assert (chosen.revision, chosen.why) == (("home-2", "rule") if is_met else ("home-1", "weight"))


def test_a_rule_whose_revision_is_not_routed_sleeps() -> None:
    """Tags are state: a rule may wait for its candidate."""
    made = choosing(
        match=[{"headers": {"x": "1"}, "tag": "candidate"}, {"headers": {"x": "1"}, "revision": "home-9"}]
    )
    chooser = compiled(made, routing({"1": 50, "2": 50}))
    assert chooser(call(("x", "1"))).why == "weight"


def test_the_first_rule_that_is_met_decides() -> None:
    """As in Istio's list of matches."""
    rule = {"headers": {"x": "1"}}
    made = choosing(match=[{**rule, "revision": "home-2"}, {**rule, "revision": "home-1"}])
    assert compiled(made, routing({"1": 100, "2": 0}))(call(("x", "1"))).revision == "home-2"


# Shares


def counted(chooser: Callable[[Invocation], Chosen], calls: int) -> Counter[str]:
    asked = call()
    return Counter(chooser(asked).revision for _ in range(calls))


def test_one_percent_of_a_hundred_thousand_is_one_percent() -> None:
    """Within the band that holds 99.9 % of binomial draws: 1000 +- 3.29 sigma."""
    draw = random.Random(20261127)
    made = Choosing(function="home", draw=lambda: draw.getrandbits(32))
    found = counted(compiled(made, routing({"1": 99, "2": 1})), 100_000)
    sigma = sqrt(100_000 * 0.01 * 0.99)
    assert abs(found["home-2"] - 1000) < 3.2905 * sigma


@pytest.mark.parametrize(
    "keys", [[f"user-{n}" for n in range(100_000)], [str(10**15 + n) for n in range(100_000)]]
)
def test_sticky_keys_spread_evenly(keys: list[str]) -> None:
    """Sequential ids too: the same band for 1 % of 100,000 users."""
    chooser = compiled(choosing(sticky={"header": "x-user"}), routing({"1": 99, "2": 1}))
    asked = call()
    assert asked.incoming is not None
    found = 0
    for key in keys:
        asked.incoming.scope["headers"] = [(b"x-user", key.encode())]
        found += chooser(asked).revision == "home-2"
    assert abs(found - 1000) < 3.2905 * sqrt(100_000 * 0.01 * 0.99)


def test_without_a_key_chance_decides() -> None:
    """A user who has no cookie yet is no reason to fail."""
    chooser = compiled(choosing(sticky={"cookie": "sid"}), routing({"1": 50, "2": 50}))
    assert set(counted(chooser, 200)) == {"home-1", "home-2"}
    kept = {chooser(call(("cookie", "sid=ann"))).revision for _ in range(50)}
    assert len(kept) == 1


def test_the_callers_address_can_be_the_key() -> None:
    """One address, one revision; many addresses, both."""
    chooser = compiled(choosing(sticky={"client": True}), routing({"1": 50, "2": 50}))
    assert len({chooser(call(client="10.0.0.1")).revision for _ in range(50)}) == 1
    assert len({chooser(call(client=f"10.0.0.{n}")).revision for n in range(100)}) == 2


def test_two_functions_draw_different_users() -> None:
    """The same ten percent must not be everybody's guinea pigs."""
    chosen = []
    for name in ("home", "product"):
        made = Choosing(function=name, sticky=choosing(sticky={"header": "u"}).sticky)
        chooser = compiled(made, routing({"1": 90, "2": 10}))
        chosen.append({n for n in range(2000) if chooser(call(("u", f"{n}"))).revision == "home-2"})
    both = len(chosen[0] & chosen[1])
    assert both < len(chosen[0]) / 3


RAMPS = st.lists(st.integers(0, 100), min_size=2, max_size=8).map(sorted)


@given(
    RAMPS,
    st.lists(st.text(min_size=1, max_size=20), min_size=1, max_size=20),
    st.sampled_from(["", "1", "2"]),
)
@hypothesis_settings(max_examples=100, deadline=None)
def test_a_user_never_goes_back_while_a_newer_revision_grows(
    ramp: list[int], users: list[str], released: str
) -> None:
    """Over any ramp, for any key; an older revision that is released again is a newer one to them."""
    made = choosing(sticky={"header": "u"})
    old, new = ("2", "1") if released == "1" else ("1", "2")
    newest: set[str] = set()
    for percent in ramp:
        chooser = compiled(made, routing({old: 100 - percent, new: percent}, released))
        asked = {user: call() for user in users}
        for user, each in asked.items():
            assert each.incoming is not None
            each.incoming.scope["headers"] = [(b"u", user.encode("utf-8", "surrogatepass"))]
        now = {user for user, each in asked.items() if chooser(each).revision == f"home-{new}"}
        assert newest <= now
        newest = now


@st.composite
def several(draw: Callable[[st.SearchStrategy[Any]], Any]) -> list[dict[str, int]]:
    """Traffic over four revisions, each time with at least as much on the newest k, for every k."""
    ramps = [draw(st.lists(st.integers(0, 100), min_size=6, max_size=6).map(sorted)) for _ in range(3)]
    found = []
    for cuts in zip(*ramps, strict=True):
        top = sorted(cuts)
        bounds = [0, *top, 100]
        found.append({str(4 - at): bounds[at + 1] - bounds[at] for at in range(4)})
    return found


@given(several(), st.lists(st.integers(0, 10**9), min_size=1, max_size=30))
@hypothesis_settings(max_examples=100, deadline=None)
def test_with_several_revisions_users_only_move_to_newer_ones(
    traffic: list[dict[str, int]], users: list[int]
) -> None:
    """As long as no newer part of the traffic shrinks."""
    made = choosing(sticky={"header": "u"})
    at: dict[int, str] = {}
    for shares in traffic:
        chooser = compiled(made, routing(shares))
        for user in users:
            now = chooser(call(("u", str(user)))).revision
            assert now >= at.get(user, "home-1")
            at[user] = now


def test_every_step_from_one_to_a_hundred_only_adds_users() -> None:
    """A thousand users over the whole ramp: each flips once, at its own percentage."""
    made = choosing(sticky={"header": "u"})
    newest: set[int] = set()
    for percent in range(1, 101):
        chooser = compiled(made, routing({"1": 100 - percent, "2": percent}))
        now = {user for user in range(1000) if chooser(call(("u", str(user)))).revision == "home-2"}
        assert newest <= now
        newest = now
    assert len(newest) == 1000


# Cohorts


def test_an_older_revision_that_is_released_is_the_canary() -> None:
    """It was deployed again: its calls are judged, and travel in its lane."""
    numbers = iter([int((n + 0.5) * 2**32 / 100) for n in range(100)])
    made = replace(choosing(lane="preview"), draw=lambda: next(numbers))
    chooser = compiled(made, routing({"1": 20, "2": 80}, released="1"))
    found = Counter((each.cohort, each.lane) for each in (chooser(call()) for _ in range(100)))
    canary = Cohort("home", "home-1", 20, Side.CANARY, "home-1")
    baseline = Cohort("home", "home-1", 20, Side.BASELINE, "home-2")
    assert found == {(canary, "preview"): 20, (baseline, ""): 20, (None, ""): 60}


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ({"2": 1, "1": 99}, {("home-2", Side.CANARY): 1, ("home-1", Side.BASELINE): 1, ("home-1", None): 98}),
        ({"2": 50, "1": 50}, {("home-2", Side.CANARY): 50, ("home-1", Side.BASELINE): 50}),
        ({"2": 90, "1": 10}, {("home-2", Side.CANARY): 90, ("home-1", Side.BASELINE): 10}),
        (
            {"3": 10, "2": 20, "1": 70},
            {
                ("home-3", Side.CANARY): 10,
                ("home-2", None): 20,
                ("home-1", Side.BASELINE): 10,
                ("home-1", None): 60,
            },
        ),
    ],
)
def test_the_baseline_is_as_large_as_the_canary(
    shares: dict[str, int], expected: dict[tuple[str, Side | None], int]
) -> None:
    """Or all there is of the older revision. Every hundredth is looked at."""
    numbers = iter([int((n + 0.5) * 2**32 / 100) for n in range(100)])
    chooser = compiled(Choosing(function="home", draw=lambda: next(numbers)), routing(shares))
    found = Counter(
        (chosen.revision, chosen.cohort and chosen.cohort.side)
        for chosen in (chooser(call()) for _ in range(100))
    )
    assert found == expected


def test_who_chose_for_themselves_counts_in_no_cohort() -> None:
    """Testers are not a sample."""
    made = choosing(override=LOCAL, tag=LOCAL, match=[{"headers": {"x": "1"}, "revision": "home-2"}])
    chooser = compiled(made, routing({"1": 90, "2": 10}, candidate="2"))
    for header in (("Bff-Override", "home=home-2"), ("Bff-Tag", "candidate"), ("x", "1")):
        assert chooser(call(header)).cohort is None


def test_a_canarys_calls_travel_in_the_functions_lane() -> None:
    """Where it has one; the baseline's do not."""
    chooser = compiled(choosing(lane="canary", sticky={"header": "u"}), routing({"1": 50, "2": 50}))
    lanes = {
        (chosen.cohort and chosen.cohort.side, chosen.lane)
        for n in range(100)
        if (chosen := chooser(call(("u", str(n)))))
    }
    assert lanes == {(Side.CANARY, "canary"), (Side.BASELINE, "")}


def test_one_revision_alone_has_no_baseline() -> None:
    """There is nothing to compare it with."""
    assert cohorts({"home-1": 100}) == ("home-1", "")
    assert cohorts({}) == ("", "")
