"""``bff list``: what is there and how it is reached."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Shell

ROUTES = """
functions:
  home: {timeout: 3s, env: {API_KEY: "${KEY:-sesame}", MODE: plain}}
routes:
  - {path: "/api/home/{user}", function: home, timeout: 1s}
  - {path: "/api/home/[x]", methods: [PUT, POST], function: home}
"""


@pytest.fixture
def laid_out(project: Callable[..., Path]) -> Path:
    return project(ROUTES, home="raise RuntimeError('never imported')\n", about="")


def test_people_get_a_table(bff: Shell, laid_out: Path) -> None:
    """Every function with its routes and their own limits; nothing is imported for it."""
    ran = bff("list")
    assert ran.code == 0
    rows = [line.split() for line in ran.out.splitlines()]
    assert ["home", "GET", "/api/home/{user}", "(1s)", "3s", "API_KEY", "MODE", "functions/home.py"] in rows
    assert ["PUT,POST", "/api/home/[x]"] in rows
    assert ["about", "none", "10s", "functions/about.py"] in rows


def test_programs_get_json(bff: Shell, laid_out: Path) -> None:
    """The same, seconds as numbers."""
    about, home = bff("list", "--json").json
    assert about["name"] == "about"
    assert home["routes"][0] == {"path": "/api/home/{user}", "methods": ["GET"], "timeout": 1.0}
    assert home["env"] == ["API_KEY", "MODE"]


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_settings_are_named_and_never_shown(bff: Shell, laid_out: Path, options: tuple[str, ...]) -> None:
    """A value may be a secret, so no form of the list holds one."""
    ran = bff("list", *options, KEY="opensesame")
    assert "sesame" not in ran.out + ran.err
    assert "plain" not in ran.out + ran.err


def test_mistakes_come_instead_of_a_list(bff: Shell, project: Callable[..., Path]) -> None:
    """A file that cannot be used is told as ``bff check`` would, in either form."""
    project("timeuot: 3\n")
    ran = bff("list")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("routes.yaml:1:1: timeuot: unknown key")
    assert bff("list", "--json").json["ok"] is False


def test_an_empty_project_says_how_to_begin(bff: Shell, project: Callable[..., Path]) -> None:
    """No table without rows."""
    project("")
    ran = bff("list")
    assert (ran.code, ran.out) == (0, "")
    assert "bff new NAME" in ran.err
