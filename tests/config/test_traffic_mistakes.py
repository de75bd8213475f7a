"""Mistakes in traffic, releases, lanes and subsets: each at its place, with what to write instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bff.config import Config

if TYPE_CHECKING:
    from tests.config.conftest import Project

HEAD = "functions:\n  home:\n    "


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("traffic: {match: [{tag: a}]}", ":3:23: functions.home.traffic.match[0]: this has no condition"),
        (
            "traffic: {match: [{headers: {x: a}}]}",
            ":3:23: functions.home.traffic.match[0]: leads to exactly one of tag and revision",
        ),
        (
            "traffic: {match: [{headers: {x: a}, tag: A_b}]}",
            "functions.home.traffic.match[0].tag: 'A_b' is not a label",
        ),
        (
            "traffic: {match: [{headers: {x: {}}, tag: a}]}",
            "match[0].headers.x: this has exactly one of exact, prefix, regex and version",
        ),
        (
            "traffic: {match: [{headers: {x: {exact: a, prefix: b}}, tag: a}]}",
            "match[0].headers.x: this has exactly one of exact, prefix, regex and version",
        ),
        (
            "traffic: {match: [{headers: {x: '<five'}, tag: a}]}",
            "headers.x: cannot be obeyed: it is not a version range; write <5.2, or >=5.0 <5.2",
        ),
        (
            "traffic: {match: [{headers: {x: {regex: '(a+)+'}}, tag: a}]}",
            "headers.x: cannot be obeyed: it could take very long: no repeat within a repeat",
        ),
        (
            "traffic: {match: [{headers: {x: {regex: '('}}, tag: a}]}",
            "headers.x: cannot be obeyed: it is not a regular expression: missing ), unterminated subpattern",
        ),
        (
            "traffic: {match: [{cookies: {'a b': c}, tag: a}]}",
            "is not the name of a cookie (RFC 6265 §4.1.1)",
        ),
        ("traffic: {override: {}}", "functions.home.traffic.override: trusts nobody"),
        ("traffic: {override: {token: short}}", "has a token that can be guessed"),
        ("traffic: {tag: {addresses: [10.0.0.1/8]}}", "did you mean 10.0.0.0/8?"),
        ("traffic: {sticky: {}}", "sticky: this has exactly one of header, cookie and client: true"),
        (
            "traffic: {sticky: {cookie: a, client: true}}",
            "has exactly one of header, cookie and client: true",
        ),
        ("traffic: {percent: 10}", "functions.home.traffic.percent: unknown key"),
        ("scale: {mni: 1}", "functions.home.scale.mni: unknown key; did you mean min?"),
        (
            "traffic: {match: [{headrs: {x: a}, tag: a}]}",
            "match[0].headrs: unknown key; did you mean headers?",
        ),
        ("release: {strategy: canry}", "functions.home.release.strategy"),
        ("release: {steps: [10, 5, 100]}", "grows from step to step and ends with 100"),
        ("release: {steps: [10, 50]}", "grows from step to step and ends with 100"),
        ("release: {steps: []}", "grows from step to step and ends with 100"),
        ("release: {steps: [100]}", "has no step before 100"),
        ("release: {steps: [0, 100]}", "functions.home.release.steps[0]: 0 is too small; the least is 1"),
        ("release: {max_error_ratio: 0.5}", "functions.home.release.max_error_ratio"),
        ("release: {interval: 120}", "needs a unit; write 120s or 120ms"),
        ("lane: Canary", "functions.home.lane: 'Canary' is not a label"),
    ],
)
def test_a_functions_mistakes(project: Project, text: str, said: str) -> None:
    """One line each; the words say what is expected."""
    project.add("functions/home.py", "def handle(): ...")
    (line,) = project.lines(HEAD + text + "\n")
    assert said in line
    assert line.startswith("routes.yaml:3:")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("subsets: {v2: {}}", "services.s.subsets.v2: this is told by its url, or by the labels"),
        ("subsets: {v2: {url: 'http://x', labels: {a: b}}}", "write one of them"),
        ("subsets: {v2: {labels: {a: b}}}", "has neither endpoints nor discovery that have some"),
        (
            "discovery: {type: srv, name: x}, subsets: {v2: {labels: {a: b}}}",
            "which DNS has none of; give each subset a url: v2",
        ),
        ("subsets: {V2: {url: 'http://x'}}", "is not a label"),
        ("subsets: {v2: {url: 'ftp://x'}}", "services.s.subsets.v2.url: a service's URL begins with http"),
        (
            "subsets: {a: {url: 'http://x', weight: 60}, b: {url: 'http://y', weight: 41}}",
            "services.s.subsets: this has weights over 100 percent together: 101",
        ),
        ("subsets: {v2: {url: 'http://x', match: [{}]}}", "subsets.v2.match[0]: this has no condition"),
    ],
)
def test_a_services_mistakes(project: Project, text: str, said: str) -> None:
    """Subsets are held to the same rules."""
    (line,) = project.lines(f"services:\n  s: {{url: 'http://u', {text}}}\n")
    assert said in line


@pytest.mark.parametrize("text", ["{header: 'a b'}", "{member: 'a=b'}", "{accept: {}}"])
def test_mistakes_of_lanes(project: Project, text: str) -> None:
    """Names of fields and members, and whom to believe."""
    (line,) = project.lines(f"lanes: {text}\n")
    assert line.startswith("routes.yaml:1:")


def test_a_token_is_never_shown(project: Project) -> None:
    """Neither in the value nor in its repr."""
    project.add("functions/home.py", "def handle(): ...")
    text = HEAD + "traffic: {override: {token: 0123456789abcdef}, tag: {token: '${TOKEN}'}}\n"
    config: Config = project.load(text, TOKEN="fedcba9876543210")
    shown = repr(config.function("home")) + config.model_dump_json() + str(config.model_dump())
    assert "0123456789abcdef" not in shown
    assert "fedcba9876543210" not in shown
    override = config.function("home").traffic.override
    assert override is not None
    assert override.token is not None
    assert override.token.get_secret_value() == "0123456789abcdef"


def test_everything_may_be_left_empty(project: Project) -> None:
    """Sections whose keys are commented out."""
    project.add("functions/home.py", "def handle(): ...")
    config = project.load(
        f"lanes:\nservices: {{s: {{url: 'http://u', subsets: }}}}\n{HEAD}traffic:\n    release:\n"
    )
    assert config.function("home").release.steps == (1, 10, 50, 100)
