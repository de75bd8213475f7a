"""Mistakes in what routes.yaml says of events, each with its place and what to write instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bff.config.doorways import doorways_of
from bff.config.trigger import iso_duration
from bff.gateway.target import Doors, doorways

if TYPE_CHECKING:
    from bff.sdk.invocation import Invocation
    from bff.sdk.reply import Answer
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
        ("triggers: {mail: {function: home, delivery: {timeout: PT0S}}}", "must be more than 0"),
        ("calls: {functions: [home], timeout: PT0S}", "must be more than 0"),
        ("schedules: {warm: {cron: '@daily', function: home}}", "weekday, such as */5 * * * *"),
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
    ("text", "said"),
    [
        (
            "events: {path: /in}\nroutes: [{path: /in, methods: [GET, POST], function: home}]",
            "routes.yaml:2:17: routes[0].path: POST /in is taken by events.path; choose another path",
        ),
        (
            "calls: {path: /later}\nroutes: [{path: '/later/{key}', function: home}]",
            "routes[0].path: GET/HEAD/DELETE /later/{id} is taken by calls.path",
        ),
        (
            "routes: [{path: '/calls/{key}/result', function: home, respond_async: true}]",
            "routes[0].path: GET/HEAD /calls/{id}/result is taken by calls.path",
        ),
        (
            "calls: {functions: home}\nroutes: [{path: /async-function/home, methods: POST, function: home}]",
            "routes[0].path: POST /async-function/home is taken by calls.functions",
        ),
        (
            "calls: {functions: home}\nevents: {path: /async-function/home}",
            "events.path: POST /async-function/home is taken by calls.functions",
        ),
    ],
)
def test_a_path_that_is_taken_is_told(project: Project, text: str, said: str) -> None:
    """No route is shadowed in silence where events come in or calls are asked for."""
    lines = project.lines(text + "\n")
    assert len(lines) == 1, lines
    assert said in lines[0]


@pytest.mark.parametrize(
    "text",
    [
        "events: {path: /in}\nroutes: [{path: /in, methods: GET, function: home}]",
        "calls: {path: /later}\nroutes: [{path: '/later/{key}', methods: POST, function: home}]",
        "routes: [{path: '/calls/{key}', function: home}]",
    ],
)
def test_another_method_and_a_path_that_is_not_taken_stay_free(project: Project, text: str) -> None:
    """The last one has no calls at all."""
    assert len(project.load(text + "\n").routes) == 1


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


def test_the_paths_that_are_kept_free_are_those_that_are_answered(project: Project) -> None:
    """What a mistake is told by and what the gateway compiles are the same paths and methods."""
    text = "events: {path: /in}\ncalls: {path: /later, functions: [home, files]}\n"
    doors = Doors(**dict.fromkeys(("events", "ask", "status", "result", "cancel"), _nobody))
    answered = {
        (str(pattern), method)
        for pattern, methods, _ in doorways(project.load(text), doors, None)
        for method in methods
    }
    data = {"events": {"path": "/in"}, "calls": {"path": "/later", "functions": ["home", "files"]}}
    kept = {
        (str(door.pattern), method)
        for door in doorways_of(data, has_calls=False)
        for method in door.methods
        if method != "HEAD"
    }
    assert kept == answered


async def _nobody(_: Invocation) -> Answer:
    raise AssertionError
