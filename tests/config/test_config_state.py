"""Where the state is kept: every form, what is wrong with others, and that a password is never shown."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bff.config import Place
from bff.config.state import place_of, state_url

if TYPE_CHECKING:
    from tests.config.conftest import Project

HERE = Path("/srv")


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("sqlite:///.bff/state.db", Place(file=HERE / ".bff/state.db")),
        ("sqlite:////var/lib/bff.db", Place(file=Path("/var/lib/bff.db"))),
        ("sqlite:///with%20space.db", Place(file=HERE / "with space.db")),
        ("sqlite://", Place()),
        ("sqlite:///:memory:", Place()),
        ("postgresql://u:p@db/x", Place(postgres="postgresql://u:p@db/x")),
        ("postgres://db/x", Place(postgres="postgres://db/x")),
    ],
)
def test_every_form(url: str, place: Place) -> None:
    assert place_of(state_url(url), HERE) == place
    assert "u:p" not in repr(place)


def test_it_is_seen_from_routes_yaml(project: Project) -> None:
    config = project.load("routes: []\n")
    assert config.state_place == Place(file=config.path.parent / ".bff/state.db")


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("mysql://u:sesame@db/x", "a store is sqlite:///.bff/state.db or postgresql://"),
        ("sqlite:state-sesame.db", "three slashes"),
        ("sqlite:///", "names no file"),
        ("postgresql://u:sesame@db:port/x", "a server is written postgresql://user@host"),
    ],
)
def test_what_is_wrong_is_told_without_repeating_it(project: Project, state: str, said: str) -> None:
    (line,) = project.lines(f'state: "{state}"\n')
    assert "state: " in line
    assert said in line
    assert "sesame" not in line


def test_a_password_is_never_shown(project: Project) -> None:
    """Written in the file or taken from the environment: not in a repr, not in JSON."""
    for text in ("postgresql://u:sesame@db/x", "${STATE}"):
        config = project.load(f'state: "{text}"\n', STATE="postgresql://u:sesame@db/x")
        assert config.state == "postgresql://u:sesame@db/x"
        for shown in (repr(config), str(config), str(config.model_dump()), config.model_dump_json()):
            assert "sesame" not in shown
