"""``bff profile`` and ``bff check --cold``: what a cold start costs, measured, and held to a budget."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bff.cli import waterfall
from bff.measured import Imported, WarmUp

if TYPE_CHECKING:
    from tests.cli.conftest import Shell

Project = Callable[..., Path]
ROUTES = "routes:\n  - {path: '/a', function: a}\n"
FINE = "async def handle(name: str = 'x') -> dict[str, str]:\n    return {'hello': name}\n"
DEAR = "import time\nimport dear.part\ntime.sleep(0.03)\n" + FINE
PHASES = ["queue", "read", "compile", "imports", "construct", "start"]


@pytest.fixture
def site(tmp_path: Path) -> dict[str, str]:
    """An installed package that costs 60 ms to import, as the environment that has it."""
    package = tmp_path / "site" / "dear"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "part.py").write_text("import time\ntime.sleep(0.06)\n")
    return {"PYTHONPATH": str(tmp_path / "site")}


def test_both_warm_ups_are_told_with_their_imports(
    bff: Shell, project: Project, site: dict[str, str]
) -> None:
    """The package is paid once, the function's own body each time; the line that pays is named."""
    project(ROUTES, a=DEAR)
    told: dict[str, Any] = bff("profile", "a", "--json", **site).json
    assert (told["function"], told["revision"]) == ("a", "a-00001")
    first, again = told["first_ever"], told["after_eviction"]
    assert list(first["phases"]) == list(again["phases"]) == PHASES
    assert first["phases"]["imports"] >= 90
    assert again["phases"]["imports"] >= 30
    assert again["phases"]["read"] == 0.0
    [home] = first["imports"]
    assert [module["name"] for module in home["imports"]] == ["dear", "dear.part"]
    assert again["imports"][0]["imports"] == []
    dearest, body = told["most_expensive"]
    assert (dearest["name"], dearest["where"]) == ("dear.part", "functions/a.py:2")
    assert dearest["ms"] >= 60
    assert "TYPE_CHECKING" in dearest["hint"]
    assert (body["name"], body["where"]) == ("a", "functions/a.py")
    assert "`start`" in body["hint"]


def test_a_process_is_measured_where_it_runs(
    bff: Shell, project: Project, site: dict[str, str], tmp_path: Path
) -> None:
    """With the fork; its imports are its own, so each new process pays for all of them. None of it runs here."""
    ran_in = tmp_path / "ran_in"
    body = (
        f"import os\nwith open({str(ran_in)!r}, 'a') as told: print(os.getpid(), os.getppid(), file=told)\n"
    )
    project(
        "functions: {a: {isolation: process, budget: 1ms, scale: {initial: 3}}}\n" + ROUTES, a=body + DEAR
    )
    told: dict[str, Any] = bff("profile", "a", "--path", "/a", "--json", **site).json
    assert told["statuses"] == [200, 200]
    first, again = told["first_ever"], told["after_eviction"]
    assert list(first["phases"]) == [*PHASES[:3], "fork", *PHASES[3:], "first_call"]
    for each in (first, again):
        assert each["phases"]["fork"] > 0
        assert each["phases"]["imports"] >= 90
        assert [module["name"] for module in each["imports"][0]["imports"]] == ["dear", "dear.part"]
    (one, parent), (other, same) = (line.split() for line in ran_in.read_text().splitlines())
    assert one != other
    assert parent == same
    ran = bff("check", "--cold", "--json", **site)
    assert ran.json["cold"][0]["phases"]["fork"] > 0


def test_people_see_a_waterfall(bff: Shell, project: Project, site: dict[str, str]) -> None:
    """Phases with bars, the tree of imports, and the dearest of them with a hint."""
    project(ROUTES, a=DEAR)
    ran = bff("profile", "a", **site)
    assert ran.code == 0
    head, *lines = ran.out.splitlines()
    assert head.startswith("a: ")
    assert head.endswith("ms after eviction")
    [imports] = [line for line in lines if line.startswith(" imports")]
    assert imports.count("█") > 20
    assert any(line.startswith("   dear.part ") for line in lines)
    assert "the most expensive imports:" in lines
    assert ran.err == ""


def test_a_call_after_each_warm_up_is_measured_too(bff: Shell, project: Project) -> None:
    """``--path`` makes both calls, and the phase of the first call appears."""
    project(ROUTES, a=FINE)
    told = bff("profile", "a", "--path", "/a?name=Ann", "--json").json
    assert told["statuses"] == [200, 200]
    assert list(told["first_ever"]["phases"]) == [*PHASES, "first_call"]
    refused = bff("profile", "a", "--path", "/elsewhere")
    assert refused.code == 1
    assert "the routes of a: GET /a" in refused.err


def test_a_failing_call_is_told_by_the_exit_code(bff: Shell, project: Project) -> None:
    """The profile is there all the same."""
    project(ROUTES, a="async def handle():\n    raise RuntimeError\n")
    ran = bff("profile", "a", "--path", "/a", "--json")
    assert (ran.code, ran.json["statuses"]) == (1, [500, 500])


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("raise OSError('no disk')\n", "functions/a.py:1: OSError: no disk"),
        (
            "class A:\n  def start(self): 1 / 0\n  def handle(self): ...\ndef new(): return A()\n",
            "ZeroDivisionError",
        ),
    ],
)
def test_what_cannot_be_warmed_is_told_as_everywhere(
    bff: Shell, project: Project, source: str, why: str
) -> None:
    """File, line and cause."""
    project(ROUTES, a=source)
    ran = bff("profile", "a")
    assert ran.code == 1
    assert why in ran.err
    assert why in bff("profile", "a", "--json").json["error"]


def test_an_unknown_function_is_one_sentence(bff: Shell, project: Project) -> None:
    """With the name that was probably meant."""
    project(ROUTES, a=FINE)
    assert bff("profile", "b").err.startswith("there is no function b")


def test_what_a_function_prints_does_not_get_into_the_profile(bff: Shell, project: Project) -> None:
    """Standard output is the profile's alone."""
    project(ROUTES, a="print('loud')\n" + FINE)
    ran = bff("profile", "a", "--json")
    assert ran.json["function"] == "a"
    assert ran.err.count("loud") == 2


def test_only_the_function_asked_for_is_warmed(bff: Shell, project: Project) -> None:
    """Another one's ``min: 1`` would stand in line before it."""
    settings = "functions: {b: {scale: {min: 1}}}\n"
    project(settings + ROUTES, a=FINE, b="print('warmed')\n" + FINE)
    assert "warmed" not in bff("profile", "a").err


# ---- budgets ------------------------------------------------------------------------------------

BUDGETS = "functions:\n  a: {budget: 50ms}\n  b: {budget: 10s}\n" + ROUTES + "  - {path: /b, function: b}\n"


def test_a_cold_start_over_budget_is_a_mistake(bff: Shell, project: Project, site: dict[str, str]) -> None:
    """With what it took, phase by phase, and the three dearest imports; one within its budget is told too."""
    project(BUDGETS, a=DEAR, b=FINE)
    ran = bff("check", "--cold", **site)
    assert ran.code == 1
    within, mistake, remedy, dearest, *_ = ran.err.splitlines()
    assert within.startswith("b: ")
    assert within.endswith("ms cold, of 10000")
    assert mistake.startswith("functions/a.py: its cold start takes ")
    assert "of a budget of 50ms (median of 3): imports " in mistake
    assert remedy.startswith("  remedy: `bff profile a` ")
    assert dearest.endswith("dear.part  functions/a.py:2")
    assert ran.err.endswith("\n1 mistake\n")


def test_budgets_are_told_to_programs(bff: Shell, project: Project, site: dict[str, str]) -> None:
    """Three runs each, sorted; the middle one counts. Nothing of it is there without ``--cold``.

    Each run has a fresh process: of two functions that import the same package both pay for it, each time.
    """
    project(BUDGETS, a=DEAR, b=DEAR)
    report = bff("check", "--cold", "--json", **site).json
    a, b = report["cold"]
    assert (a["function"], a["ok"], b["function"], b["ok"]) == ("a", False, "b", True)
    assert len(a["runs_ms"]) == 3
    assert min(*a["runs_ms"], *b["runs_ms"]) >= 90
    assert a["ms"] == sorted(a["runs_ms"])[1] > 90
    assert list(a["phases"]) == PHASES
    assert a["most_expensive"][0]["name"] == "dear.part"
    assert [mistake["file"] for mistake in report["mistakes"]] == ["functions/a.py"]
    plain = bff("check", "--json", **site)
    assert (plain.code, "cold" in plain.json) == (0, False)


def test_a_function_without_a_budget_is_not_measured(bff: Shell, project: Project) -> None:
    """Nor one that is broken anyway, which is told once."""
    project("functions: {a: {budget: 50ms}}\n" + ROUTES, a="(", b=FINE)
    ran = bff("check", "--cold", "--json")
    assert (ran.json["cold"], len(ran.json["mistakes"])) == ([], 1)


def test_a_start_that_fails_is_a_mistake_of_the_cold_check(bff: Shell, project: Project) -> None:
    """``bff check`` alone does not run it; with ``--cold`` there is nothing to measure."""
    source = "class A:\n  def start(self): 1 / 0\n  def handle(self): ...\ndef new(): return A()\n"
    project("functions: {a: {budget: 50ms}}\n" + ROUTES, a=source)
    assert bff("check").code == 0
    ran = bff("check", "--cold")
    assert ran.code == 1
    assert "functions/a.py: cannot be warmed: " in ran.err
    assert "ZeroDivisionError" in ran.err


def test_a_process_that_vanishes_is_told(bff: Shell, project: Project) -> None:
    """A module that ends it leaves no profile, and no riddle."""
    source = "import os\nclass A:\n  def start(self): os._exit(3)\n  def handle(self): ...\ndef new(): return A()\n"
    project("functions: {a: {budget: 50ms}}\n" + ROUTES, a=source)
    assert "the process that did it ended with 3" in bff("check", "--cold").err


# ---- drawing ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("begin", "end", "drawn"),
    [(0.0, 1.0, "█" * 32), (0.5, 1.0, " " * 16 + "█" * 16), (0.0, 0.0, "▏"), (0.25, 0.26, " " * 8 + "▍")],
)
def test_bars_lie_where_their_time_lies(begin: float, end: float, drawn: str) -> None:
    """To an eighth of a character; what is too short to be drawn is still seen."""
    assert waterfall.bar(begin, end) == drawn


def test_of_many_modules_the_largest_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """Those of a millisecond and more, at most twenty; the others are counted."""
    children = tuple(Imported(name=f"m{at}", cumulative=at / 1000) for at in range(30))
    home = Imported(name="home", cumulative=1.0, is_own=True, children=children)
    root = Imported(cumulative=1.0, is_own=True, children=(home,))
    warm_up = WarmUp(function="home", revision="home-00001", phases={"imports": 1.0}, imports=root)
    waterfall.tell(warm_up, warm_up, {"home": "functions/home.py"})
    shown = [line.split()[0] for line in capsys.readouterr().out.splitlines() if line.startswith("   m")]
    assert shown == [f"m{at}" for at in range(11, 30)]
    waterfall.tell(warm_up, warm_up, {})
    assert "… and 11 others" in capsys.readouterr().out
