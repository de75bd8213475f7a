"""A warm-up as bars: one after the other, nothing beyond the end, the dear ones among many imports."""

from __future__ import annotations

from bff.console.waterfall import MOST_IMPORTS, bars_of
from bff.measured import Imported, WarmUp

NOTHING = Imported()


def warm_up(tree: Imported = NOTHING, /, **phases: float) -> WarmUp:
    return WarmUp(function="home", revision="home-00001", phases=phases, imports=tree)


def test_phases_follow_each_other_and_fill_the_whole() -> None:
    bars = bars_of(warm_up(read=0.01, imports=0.02, start=0.01, first_call=0.06))
    assert [(bar.name, bar.start, bar.width) for bar in bars] == [
        ("read", 0, 10),
        ("imports", 10, 20),
        ("start", 30, 10),
        ("first call", 40, 60),
    ]
    assert [bar.kind for bar in bars] == ["phase", "phase", "phase", "call"]
    assert bars[1].ms == 20


def test_imports_stand_below_their_phase_one_within_the_other() -> None:
    tree = Imported(
        cumulative=0.08,
        children=(
            Imported(
                name="home",
                cumulative=0.08,
                is_own=True,
                children=(Imported(name="json", cumulative=0.02), Imported(name="email", cumulative=0.04)),
            ),
        ),
    )
    bars = bars_of(warm_up(tree, read=0.02, imports=0.08))
    assert [(bar.name, bar.depth, bar.kind, bar.start, bar.width) for bar in bars[2:]] == [
        ("home", 1, "own", 20, 80),
        ("json", 2, "package", 20, 20),
        ("email", 2, "package", 40, 40),
    ]


def test_of_many_imports_the_dearest_are_shown_and_nothing_leaves_the_bar() -> None:
    many = tuple(Imported(name=f"m{n}", cumulative=n / 1000) for n in range(200))
    bars = bars_of(warm_up(Imported(cumulative=19.9, children=many), imports=19.9, start=0.0))
    shown = [bar.name for bar in bars if bar.kind == "package"]
    assert shown == [f"m{n}" for n in range(200 - MOST_IMPORTS, 200)]
    assert all(bar.width >= 0.4 and bar.start + bar.width <= 100.01 for bar in bars)


def test_one_that_took_no_time_can_be_drawn() -> None:
    assert [bar.name for bar in bars_of(warm_up(read=0.0, start=0.0))] == ["read", "start"]
    assert bars_of(warm_up()) == []
