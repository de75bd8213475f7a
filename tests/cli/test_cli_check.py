"""``bff check``: everything that is wrong, at its place, at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Shell

Project = Callable[..., Path]
FINE = "async def handle() -> dict[str, str]:\n    return {}\n"
ONE = "routes:\n  - {path: /a, function: a}\n"


def test_a_good_project_passes(bff: Shell, project: Project) -> None:
    """Nothing wrong: exit 0, one line."""
    project(ONE, a=FINE)
    ran = bff("check")
    assert ran.code == 0
    assert ran.err == "routes.yaml: 1 function, 1 route, no mistakes\n"


def test_no_routes_yaml(bff: Shell) -> None:
    """The file that is missing is named, and the command that writes one."""
    ran = bff("check")
    assert ran.code == 1
    assert ran.err.startswith("routes.yaml: there is no such file; `bff init` writes one\n")


def test_a_module_body_that_hangs_is_a_mistake(bff: Shell, project: Project) -> None:
    """As in the gateway it has ``warm_up_timeout``; the others are examined, and the command ends."""
    project(
        "functions: {a: {warm_up_timeout: 300ms}}\nroutes:\n"
        "  - {path: /a, function: a}\n  - {path: /b, function: b}\n",
        a="import threading\nprint('begun')\nthreading.Event().wait()\n",
        b=FINE,
    )
    ran = bff("check", "--json")
    assert ran.code == 1
    (mistake,) = ran.json["mistakes"]
    assert mistake["message"] == "importing it did not end within 0.3 s"
    assert mistake["remedy"].startswith("move slow work from the module's body into `start`")
    assert mistake["file"] == "functions/a.py"
    assert [function["ok"] for function in ran.json["functions"]] == [False, True]


def test_a_module_that_interrupts_is_a_mistake(bff: Shell, project: Project) -> None:
    """KeyboardInterrupt in a module's body is its own doing, not the user's."""
    project(ONE, a="raise KeyboardInterrupt\n")
    ran = bff("check")
    assert ran.code == 1
    assert "functions/a.py: KeyboardInterrupt" in ran.err


def test_broken_yaml_has_line_and_column(bff: Shell, project: Project) -> None:
    """What the parser trips over is told at its place."""
    project("routes:\n  - {path: /a, function: a\n", a=FINE)
    ran = bff("check")
    assert ran.code == 1
    assert ran.err.startswith("routes.yaml:2:5: ")


@pytest.mark.parametrize(
    ("source", "place", "what"),
    [
        ("async def handle():\n    return (\n", "functions/a.py:2:12: ", "SyntaxError: '(' was never closed"),
        ("x = 1\n\nraise RuntimeError('no database')\n", "functions/a.py:3:1: ", "RuntimeError: no database"),
        ("import not_there_at_all\n", "functions/a.py:1:1: ", "pip install not_there_at_all"),
        ("from ._gone import x\n", "functions/a.py:1:1: ", "remedy: create the file"),
        ("import sys\nsys.exit(0)\n", "functions/a.py:2:1: ", "must not exit the process"),
        ("x = 1\n", "functions/a.py: ", "the module offers no handler"),
        ("\nasync def handle(*args):\n    return {}\n", "functions/a.py:2:1: ", "the handler takes *args"),
        ("handle = 7\n", "functions/a.py: ", "handle is a int, not a function"),
        ("def new():\n    raise OSError('no disk')\n", "functions/a.py:2:1: ", "OSError: no disk"),
        (
            "async def handle(x: 'Gone'):\n    return {}\n",
            "functions/a.py:1:1: ",
            "name 'Gone' is not defined",
        ),
        (
            "class Odd: ...\nasync def handle() -> Odd:\n    return Odd()\n",
            "functions/a.py:2:1: ",
            "<class 'a.Odd'>",
        ),
        (
            f"{FINE}\n\ndef check(deep): ...\n",
            "functions/a.py:5:1: ",
            "called without arguments, and needs deep",
        ),
        ("a = '\\x00'\nb = '\x00'\n", "functions/a.py:", "null bytes"),
    ],
)
def test_a_broken_function_is_told_with_file_line_and_cause(
    bff: Shell, project: Project, source: str, place: str, what: str
) -> None:
    """Each way to break a function: where, why, and what to do."""
    project(ONE, a=source)
    ran = bff("check")
    assert ran.code == 1
    assert ran.err.startswith(place), ran.err
    assert what in ran.err


def test_a_route_that_does_not_fit_its_handler(bff: Shell, project: Project) -> None:
    """A path parameter that is no argument is a mistake of the function, and names the route."""
    project("routes:\n  - {path: '/a/{user}', function: a}\n", a=FINE)
    ran = bff("check")
    assert ran.code == 1
    assert ran.err.startswith("functions/a.py:1:1: the route's path has {user}, which is no argument")
    assert "(route /a/{user})" in ran.err
    assert "remedy: add `user: str`" in ran.err


def test_all_mistakes_are_told_at_once(bff: Shell, project: Project) -> None:
    """Three broken functions make three mistakes, not one."""
    routes = (
        "routes:\n  - {path: /a, function: a}\n  - {path: /b, function: b}\n  - {path: /c, function: c}\n"
    )
    project(routes, a="(", b="raise ValueError(1)\n", c="")
    report = bff("check", "--json").json
    assert [mistake["file"] for mistake in report["mistakes"]] == [
        "functions/a.py",
        "functions/b.py",
        "functions/c.py",
    ]
    assert not report["ok"]


def test_a_function_no_route_reaches_is_a_warning(bff: Shell, project: Project) -> None:
    """It is checked like the others, and does not fail the check."""
    project(ONE, a=FINE, lonely=FINE)
    ran = bff("check")
    assert ran.code == 0
    assert "warning: no route reaches function lonely\n" in ran.err


def test_an_unrouted_function_is_imported_too(bff: Shell, project: Project) -> None:
    """Whether it is routed makes no difference to a syntax error."""
    project(ONE, a=FINE, lonely="(")
    ran = bff("check")
    assert ran.code == 1
    assert "functions/lonely.py:1:" in ran.err


def test_an_undeclared_service_is_found_in_the_source(bff: Shell, project: Project) -> None:
    """The attribute's own place, and the service that was probably meant; shared code is told once."""
    shared = "async def user(ctx):\n    return await ctx.services.usres.get('/')\n"
    uses = "from ._shared import user\n\nasync def handle(ctx):\n    return await user(ctx)\n"
    routes = "services:\n  users: {url: 'http://users'}\n" + ONE + "  - {path: /b, function: b}\n"
    project(routes, _shared=shared, a=uses, b=uses)
    ran = bff("check")
    assert ran.code == 1
    assert (
        "functions/_shared.py:2:31: no service usres is declared in routes.yaml; did you mean users?"
        in ran.err
    )
    assert ran.err.endswith("\n1 mistake\n")


def test_start_is_not_run(bff: Shell, project: Project, tmp_path: Path) -> None:
    """A check has no effect: ``new`` is called, ``start`` is not."""
    project(
        ONE,
        a="""
        from pathlib import Path

        class Page:
            def start(self):
                Path("started").touch()

            async def handle(self):
                return {}

        def new():
            return Page()
        """,
    )
    assert bff("check").code == 0
    assert not (tmp_path / "started").exists()


def test_json_is_whole_and_alone_on_standard_output(bff: Shell, project: Project) -> None:
    """For CI: one JSON object, even when a module prints while it is imported."""
    project(ONE, a="print('hello')\n" + FINE, app="app = lambda scope, receive, send: None\n")
    report: dict[str, Any] = bff("check", "--json").json
    assert report == {
        "ok": True,
        "mistakes": [],
        "functions": [
            {"name": "a", "shape": "handle, async", "routes": ["GET /a"], "ok": True},
            {"name": "app", "shape": "app, asgi", "routes": [], "ok": True},
        ],
        "warnings": ["no route reaches function app"],
    }


def test_json_of_a_broken_routes_yaml(bff: Shell, project: Project) -> None:
    """The same shape, with the mistakes of the file and no functions."""
    project("routes:\n  - {path: /a, function: hom}\n", home=FINE)
    ran = bff("check", "--json")
    assert ran.code == 1
    assert (ran.json["ok"], ran.json["functions"], ran.json["warnings"]) == (False, [], [])
    (mistake,) = ran.json["mistakes"]
    assert (mistake["line"], mistake["key"]) == (2, "routes[0].function")
    assert "did you mean home?" in mistake["message"]


def test_the_file_may_be_elsewhere(bff: Shell, project: Project, tmp_path: Path) -> None:
    """``--config`` takes the file or its folder; places are told as seen from here."""
    project(ONE, a="(")
    (tmp_path / "here").mkdir()
    bff.folder = tmp_path / "here"
    for config in ("..", "../routes.yaml"):
        assert bff("check", "--config", config).err.startswith("../functions/a.py:1:")


def test_an_empty_file_is_a_project_without_functions(bff: Shell, project: Project) -> None:
    """Everything has a default; that there is nothing to serve is worth a warning."""
    project("")
    ran = bff("check")
    assert ran.code == 0
    assert "there are no functions in functions; `bff new NAME` writes one" in ran.err
