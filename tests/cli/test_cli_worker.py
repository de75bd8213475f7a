"""What ``bff worker`` refuses before it starts anything."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from bff.cli.sharing import share_of
from bff.cli.working import worker
from bff.config import load
from bff.listeners import Share

EVENTS = "functions: {resize: {queue: images}}\ntriggers: {a: {function: resize}}\n"
SOURCE = "def handle(body: dict) -> None: ...\n"
Project = Callable[..., Path]


def test_queues_and_a_name_are_what_the_command_says(project: Project) -> None:
    """No option at all is every queue; an empty one is none."""
    config = load(project(EVENTS, resize=SOURCE) / "routes.yaml")
    assert share_of(config, queues=None, name="", as_json=False) == Share()
    assert share_of(config, queues="images, default", name="w-1", as_json=False) == Share(
        queues=("images", "default"), name="w-1"
    )
    assert share_of(config, queues="", name="", as_json=False) == Share(queues=())


@pytest.mark.parametrize(
    ("queues", "name", "why"),
    [
        ("imges", "", "--queues imges: no function of routes.yaml is in it; did you mean images?"),
        ("mail", "", "there are default, images"),
        (None, "a/b", "--name a/b: letters, digits"),
    ],
)
def test_what_is_written_wrong_is_named(
    project: Project, capsys: pytest.CaptureFixture[str], queues: str | None, name: str, why: str
) -> None:
    folder = project(EVENTS, resize=SOURCE)
    with pytest.raises(typer.Exit) as ended:
        worker(folder, admin="127.0.0.1:0", queues=queues, name=name, as_json=False)
    assert ended.value.exit_code == 2
    assert why in capsys.readouterr().err


@pytest.mark.parametrize(
    ("routes", "why"),
    [
        ("", "routes.yaml has no triggers, schedules, pipelines or calls: there is no work"),
        (EVENTS + "state: sqlite://\n", "`state` is in memory, where nobody else can put work"),
    ],
)
def test_where_there_is_no_work_there_is_no_worker(
    project: Project, capsys: pytest.CaptureFixture[str], routes: str, why: str
) -> None:
    folder = project(routes, resize=SOURCE)
    with pytest.raises(typer.Exit) as ended:
        worker(folder, admin="127.0.0.1:0", queues=None, name="", as_json=False)
    assert ended.value.exit_code == 1
    assert why in capsys.readouterr().err
