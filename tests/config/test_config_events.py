"""Mistakes in what routes.yaml says of events, each with its place and what to write instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bff.config.trigger import iso_duration

if TYPE_CHECKING:
    from tests.config.conftest import Project

HOME = "functions: {home: {}}\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("events: {path: '/x/{y}'}", "events.path: '/x/{y}' has parameters; write a path without any"),
        ("triggers: {Mail: {function: home}}", "is not the name of a trigger: lower-case"),
        ("triggers: {mail: {function: hme}}", "there is no functions/hme.py; did you mean home?"),
        ("triggers: {mail: {function: home, delivery: {deadLetterSink: hme}}}", "did you mean home?"),
        (
            "triggers: {mail: {function: home, delivery: {backoffDelay: 5}}}",
            "5 needs a unit; write PT1S or 1s",
        ),
        ("triggers: {mail: {function: home, delivery: {timeout: soon}}}", "write PT1S, PT5M or P1D"),
        ("triggers: {mail: {function: home, filters: [{}]}}", "has exactly one of exact, prefix"),
        ("triggers: {mail: {function: home, filters: [{all: []}]}}", "has nothing to compare"),
        (
            "triggers: {mail: {function: home, filters: [{exact: {A: b}}]}}",
            "neither an attribute of CloudEvents",
        ),
        ("triggers: {mail: {function: home, filters: [{exact: {'$.a[*]': b}}]}}", "not a path into the data"),
        ("triggers: {mail: {function: home, order: 'A b'}}", "neither an attribute"),
        ("calls: {functions: [hme]}", "did you mean home?"),
        ("pipelines: {p: {steps: [{function: hme}]}}", "did you mean home?"),
        ("pipelines: {p: {steps: [{parallel: [home, hme]}]}}", "did you mean home?"),
        ("pipelines: {p: {steps: [{}]}}", "has either a function or parallel"),
        ("pipelines: {p: {steps: [{parallel: [home], each: $.x}]}}", "has each for one function"),
        ("pipelines: {p: {steps: [{function: home, each: x}]}}", "is not a path into the data"),
        ("pipelines: {p: {steps: []}}", "steps"),
        ("schedules: {warm: {cron: '61 * * * *', function: home}}", "is not a cron expression: bad minute"),
        ("schedules: {warm: {cron: '0 0 30 2 *', function: home}}", "cron"),
        ("schedules: {warm: {cron: '* * * * *', function: hme}}", "did you mean home?"),
        ("schedules: {warm: {cron: '* * * * *', function: home, time_zone: Mars}}", "is no time zone"),
        (
            "services: {s: {url: 'http://s'}}\nroutes: [{path: /s, service: s, respond_async: true}]",
            "is not stored",
        ),
    ],
)
def test_a_mistake_is_told_with_its_remedy(project: Project, text: str, said: str) -> None:
    project.add("functions/home.py", "async def handle() -> None: ...\n")
    lines = project.lines(text + "\n")
    assert len(lines) == 1, lines
    assert said in lines[0]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("PT1S", 1),
        ("PT0.2S", 0.2),
        ("PT0S", 0),
        ("PT5M", 300),
        ("P1DT2H3M4.5S", 86_400 + 7_200 + 180 + 4.5),
        ("P2D", 172_800),
        ("1m30s", 90),
    ],
)
def test_durations_are_iso_8601_or_ours(text: str, seconds: float) -> None:
    assert iso_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "P", "PT", "P1DT", "P1Y", "P1M", "PT1", "T1S", "-PT1S", "PT1S1M"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """Years and months among it, whose length depends."""
    with pytest.raises(ValueError, match="is not a duration"):
        iso_duration(text)
