"""What happened to the gateway itself is written down, bounded, and once."""

from __future__ import annotations

import pytest

from bff.signals import (
    ConfigApplied,
    ConfigRejected,
    EndpointEjected,
    EndpointReturned,
    InstanceDead,
    LoadFailed,
    ReleaseTurned,
    RevisionReady,
    Signals,
    WarmUpFailed,
)
from bff.telemetry.journal import LONGEST, MOST, Journal, What
from bff.testing import ManualClock


@pytest.fixture
def signals() -> Signals:
    return Signals()


@pytest.fixture
def journal(signals: Signals) -> Journal:
    made = Journal(clock=ManualClock())
    made.listen(signals)
    return made


def ready(function: str = "home") -> RevisionReady:
    return RevisionReady(function=function, revision=f"{function}-dev-2", digest="d", seconds=0.012)


def broken(report: str = "functions/home.py:3: SyntaxError", function: str = "home") -> LoadFailed:
    return LoadFailed(function=function, report=report, serving=f"{function}-dev-1")


def test_everything_is_told_with_whose_it_is_and_whether_it_is_bad(
    journal: Journal, signals: Signals
) -> None:
    """Newest first."""
    turned = ReleaseTurned(
        function="home", canary="home-00002", baseline="home-00001", event="advance", state="running",
        percent=25, why="it does well", numbers={},
    )  # fmt: skip
    told = (
        ready(),
        broken(),
        WarmUpFailed(function="home", revision="home-dev-2", why="start() raised"),
        InstanceDead(function="home", revision="home-dev-2", why="alive() said no"),
        ConfigApplied(routes=3),
        ConfigRejected(mistakes=("routes.yaml:3:1: unknown key",)),
        turned,
        EndpointEjected(service="users", endpoint="10.0.0.1:80", seconds=30.0),
        EndpointReturned(service="users", endpoint="10.0.0.1:80"),
    )
    for each in told:
        signals.emit(each)
    written = list(reversed(list(journal.newest())))
    assert [each.what for each in written] == list(What)
    assert [each.is_bad for each in written] == [False, True, True, True, False, True, False, True, False]
    assert [each.subject for each in written] == [*["home"] * 4, "", "", "home", "users", "users"]
    assert "home-dev-1 goes on serving" in written[1].said
    assert written[1].report == "functions/home.py:3: SyntaxError"
    assert [each.number for each in journal.newest(7)] == [9, 8]


def test_how_long_an_endpoint_is_left_alone_is_told_as_people_say_it(
    journal: Journal, signals: Signals
) -> None:
    """What has passed since the decision was made is noise."""
    signals.emit(EndpointEjected(service="users", endpoint="10.0.0.1:80", seconds=7.99998))
    assert [each.said for each in journal.newest()] == ["10.0.0.1:80 is left alone for 8 s."]


def test_the_same_failure_again_is_no_news(journal: Journal, signals: Signals) -> None:
    """Every call of a function that cannot be loaded fails anew; another failure of it is told."""
    for report in ("one", "one", "two", "one"):
        signals.emit(broken(report))
    signals.emit(broken("one", "cart"))
    assert [(each.subject, each.report) for each in journal.newest()] == [
        ("cart", "one"), ("home", "one"), ("home", "two"), ("home", "one"),
    ]  # fmt: skip


def test_what_is_broken_is_known_until_it_is_mended(journal: Journal, signals: Signals) -> None:
    """A function until a revision of it is ready, routes.yaml until one is live."""
    for each in (broken(), broken(function="cart"), ConfigRejected(mistakes=("wrong",))):
        signals.emit(each)
    assert (list(journal.suspects), journal.rejected and journal.rejected.report) == (
        ["home", "cart"],
        "wrong",
    )
    signals.emit(ready())
    signals.emit(ConfigApplied(routes=1))
    assert (list(journal.suspects), journal.rejected) == (["cart"], None)


def test_it_is_bounded(journal: Journal, signals: Signals) -> None:
    """In entries, in the length of one, and in suspects."""
    for number in range(MOST + 10):
        signals.emit(broken("x" * LONGEST * 2, f"f{number}"))
    kept = list(journal.newest())
    assert (len(kept), len(kept[0].report), len(journal.suspects)) == (MOST, LONGEST, MOST)
    assert kept[0].number == MOST + 10
