"""``bff export``: documents for programs on standard output or in a file, words for people beside them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openapi_spec_validator import validate

if TYPE_CHECKING:
    from tests.cli.conftest import Shell

Project = Callable[..., Path]
TALKING = "print('loud')\nasync def handle(n: int) -> dict[str, int]:\n    return {'n': n}\n"
ONE = "routes:\n  - {path: '/a/{n}', function: a}\n"


def test_openapi_goes_to_standard_output_whatever_modules_print(bff: Shell, project: Project) -> None:
    project(ONE, a=TALKING)
    ran = bff("export", "openapi")
    assert ran.code == 0
    validate(ran.json)
    assert set(ran.json["paths"]) == {"/a/{n}"}
    assert "loud" in ran.err


def test_openapi_goes_to_a_file(bff: Shell, project: Project) -> None:
    folder = project(ONE, a=TALKING)
    ran = bff("export", "openapi", "--out", "api.json")
    assert (ran.code, ran.out) == (0, "")
    assert "wrote api.json" in ran.err
    validate(json.loads((folder / "api.json").read_text()))


def test_a_function_that_cannot_be_loaded_is_named(bff: Shell, project: Project) -> None:
    """The document has its path all the same, so that a front-end team's build does not break with it."""
    project(ONE, a="import nothing_of_this_name\n")
    ran = bff("export", "openapi")
    assert ran.code == 0
    validate(ran.json)
    assert "a is described by its path only (n)" in ran.err


def test_a_function_that_is_no_python_is_named(bff: Shell, project: Project) -> None:
    project(ONE, a="def (\n")
    ran = bff("export", "openapi")
    assert ran.code == 0
    assert "functions/a.py:1" in ran.err
    assert set(ran.json["paths"]) == {"/a/{n}"}


def test_mistakes_in_routes_yaml_end_it(bff: Shell, project: Project) -> None:
    project("routes:\n  - {path: a, function: a}\n", a=TALKING)
    ran = bff("export", "openapi")
    assert (ran.code, ran.out) == (1, "")
    assert "a path begins with /" in ran.err


def test_typescript_without_node_says_what_is_needed(bff: Shell, project: Project) -> None:
    project(ONE, a=TALKING)
    ran = bff("export", "typescript", PATH="/nowhere")
    assert ran.code == 1
    assert "npm install --save-dev openapi-typescript" in ran.err


def test_typescript_by_the_project_s_own_tool(bff: Shell, project: Project) -> None:
    """It is looked for where npx looks, and what it says when it fails is shown."""
    folder = project(ONE, a=TALKING)
    tool = folder / "node_modules" / ".bin" / "openapi-typescript"
    tool.parent.mkdir(parents=True)
    tool.write_text('#!/bin/sh\ngrep -c operationId "$1" > "$3"\n')
    tool.chmod(0o755)
    node = folder / "bin" / "node"
    node.parent.mkdir()
    node.write_text("#!/bin/sh\n")
    node.chmod(0o755)
    path = f"{node.parent}:{os.environ['PATH']}"
    assert bff("export", "typescript", PATH=path).out == "1\n"
    tool.write_text("#!/bin/sh\necho no good >&2\nexit 1\n")
    ran = bff("export", "typescript", PATH=path)
    assert ran.code == 1
    assert "openapi-typescript failed: no good" in ran.err


EVENTS = """\
events: {path: /events}
triggers:
  mail:
    filters: [{exact: {type: account.upgraded, tenant: 7}}, {prefix: {source: /shop}}]
    function: a
pipelines:
  images: {filters: [{all: [{exact: {type: images.arrived}}]}], steps: [{function: b}]}
  by-hand: {steps: [{function: b}]}
"""
MAILED = '''"""Sends a mail."""
from pydantic import BaseModel

class Plan(BaseModel):
    name: str

class Upgrade(BaseModel):
    plan: Plan

async def handle(upgrade: Upgrade) -> None: ...
'''


def test_asyncapi_tells_who_wants_which_events_and_what_data(bff: Shell, project: Project) -> None:
    """A message for each trigger and each pipeline that events begin; every reference in it leads somewhere."""
    project(EVENTS, a=MAILED, b="def handle(body: dict) -> dict:\n    return body\n")
    ran = bff("export", "asyncapi")
    assert ran.code == 0
    told = ran.json
    assert told["asyncapi"] == "3.0.0"
    assert told["channels"]["events"]["address"] == "/events"
    assert set(told["operations"]) == {"mail", "pipeline-images"}
    mail = told["operations"]["mail"]
    assert (mail["action"], mail["summary"], mail["x-bff-function"]) == ("receive", "Sends a mail", "a")
    message = told["components"]["messages"]["mail"]
    assert message["headers"]["properties"]["ce-type"] == {"const": "account.upgraded"}
    assert message["headers"]["properties"]["ce-tenant"] == {"const": "7"}
    assert message["payload"] == {"$ref": "#/components/schemas/a-Upgrade"}
    assert told["components"]["messages"]["pipeline-images"]["name"] == "images.arrived"
    for reference in _references(told):
        found: Any = told
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
        assert found


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _references(each)
