"""The tables of the reference pages are what the code does."""

from __future__ import annotations

import asyncio
import importlib
import json
import pkgutil
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

import bff
from bff.cli.commands import app
from bff.config import Config, FunctionConfig, ServiceConfig
from bff.config.units import duration_text, size_text
from bff.errors import BffError, Fault
from bff.sdk import failures
from bff.sdk.sources import MAX_FIELDS
from bff.telemetry.catalogue import METRICS
from bff.telemetry.metrics import Metrics
from tests.admin.conftest import admin_office

ROOT = Path(__file__).parents[2]
CONTRACT = (ROOT / "docs/runtime-contract.md").read_text("utf-8")
TELEMETRY = (ROOT / "docs/telemetry.md").read_text("utf-8")
OPERATIONS = (ROOT / "docs/operations.md").read_text("utf-8")


def rows(page: str, heading: str) -> list[list[str]]:
    """The cells of the tables below a heading, without their heads."""
    section = page.partition(f"\n{heading}\n")[2]
    section = re.split(r"^#{1,3} ", section, maxsplit=1, flags=re.MULTILINE)[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    return [
        row for row in cells if row[0] not in ("code", "metric", "limit", "field", "the service", "header")
    ]


def kinds(root: type[BffError] = BffError) -> Iterator[type[BffError]]:
    """Every error of the house that a caller or a log can meet."""
    yield root
    for kind in root.__subclasses__():
        if kind.__module__.startswith("bff."):
            yield from kinds(kind)


def test_every_error_is_listed_with_its_status_and_fault() -> None:
    """One row for each code; a status or fault that depends is told in words. What only the admin listener
    says is on its own page.
    """
    for module in pkgutil.walk_packages(bff.__path__, "bff."):
        if module.name != "bff.cli.__main__":
            importlib.import_module(module.name)
    own = rows(OPERATIONS, "## The admin API")
    listed = {row[0].strip("`"): row for row in [*rows(CONTRACT, "## Errors"), *own] if len(row) == 4}
    real = {kind.code: kind for kind in kinds() if kind.code != "config-invalid"}
    assert set(listed) == set(real)
    for code, (_, status, fault, _) in listed.items():
        if status.isdigit():
            assert int(status) == real[code].status, code
        if fault in set(Fault):
            assert fault == real[code].fault, code


@pytest.mark.parametrize("relayed", [False, True])
def test_what_a_required_part_becomes_is_as_the_table_says(relayed: bool) -> None:
    """For every upstream status from 300 to 599, with and without the caller's credential."""
    table = rows(CONTRACT, "## Services")

    def told(upstream: int) -> tuple[str, str]:
        for said, status, fault in table:
            if not said.startswith("answered") or "body" in said:
                continue
            numbers = {int(number) for number in re.findall(r"\d{3}", said)}
            if upstream in numbers and ("credential" in said) == (relayed and upstream in (401, 403)):
                return status, fault
        other = "any other 4xx" if upstream < 500 else "any other 5xx"
        return next((status, fault) for said, status, fault in table if other in said)

    for upstream in range(300, 600):
        status, fault = told(upstream)
        failure = failures.ServiceAnswered("users", upstream, relayed=relayed, retry_after="1")
        expected = upstream if status.startswith("the same") else int(status[:3])
        assert (failure.status, failure.fault) == (expected, fault), upstream
        assert ("retry-after" in failure.headers()) == ("Retry-After" in status), upstream


def test_every_command_is_listed() -> None:
    """In the table of the page about commands, its subcommands too; none that does not exist."""
    commands = get_command(app)
    groups = "|".join(name for name, each in vars(commands)["commands"].items() if hasattr(each, "commands"))
    table = (ROOT / "docs/commands.md").read_text("utf-8").partition("|---")[2].partition("\nNothing that")[0]
    listed = set(re.findall(rf"`bff ((?:(?:{groups}) )?[a-z]+)", table))

    def names(group: Any) -> Iterator[str]:
        for name, command in group.commands.items():
            yield from (
                (f"{name} {each}" for each in names(command)) if hasattr(command, "commands") else [name]
            )

    assert listed == set(names(commands))


def operations_of_the_admin_api() -> list[str]:
    """Method and path of each, from ``/openapi.json``."""

    async def document() -> Any:
        async with admin_office() as asking:
            return (await asking("GET", "/openapi.json")).json()

    paths = asyncio.run(document())["paths"]
    return [f"{method.upper()} {path}" for path, methods in paths.items() for method in methods]


def test_every_operation_of_the_admin_api_is_listed() -> None:
    """Method and path, as its own description has them; none that is not there."""
    listed = {
        request
        for row in rows(OPERATIONS, "## The admin API")
        for request in re.findall(r"`([A-Z]+ /v1/[^`]+)`", row[0])
    }
    assert listed == {each for each in operations_of_the_admin_api() if " /v1/" in each}


def test_every_metric_is_listed_with_its_labels() -> None:
    """Names, kinds, labels and words as the catalogue has them, and a scrape has no others."""
    listed = {
        row[0].strip("`"): (row[1], tuple(re.findall(r"`(\w+)`", row[2])), row[3])
        for row in rows(TELEMETRY, "## Metrics")
    }
    assert listed == {each.name: (each.kind, each.labels, each.says) for each in METRICS}
    scraped = Metrics().scrape.now()[0].decode()
    real = dict(re.findall(r"^# TYPE (bff_\w+) (\w+)$", scraped, re.MULTILINE))
    assert real == {each.name: each.kind for each in METRICS}


def test_every_limit_is_listed_with_its_default() -> None:
    """The defaults of the models, in the words of routes.yaml."""
    config = Config()
    own: Mapping[str, Any] = {
        "gateway": config.gateway,
        "defaults": config.defaults,
        "defaults.forms": config.defaults.forms,
        "functions.NAME": FunctionConfig(),
        "functions.NAME.websocket": FunctionConfig().websocket,
        "services.NAME": ServiceConfig(url="http://users"),
    }
    checked = 0
    for _, default, where, _ in rows(OPERATIONS, "## Limits"):
        section, _, key = where.partition(",")[0].strip("`").rpartition(".")
        if section not in own:
            assert where == "fixed"
            continue
        value = getattr(own[section], key)
        words = {str(value)}
        if isinstance(value, float):
            words = {duration_text(value)}
        elif value > 1024:  # 1024 calls are no size
            words = {size_text(value)}
        assert default.strip("`").partition(";")[0] in words, where
        checked += 1
    assert checked >= 12
    assert f"{MAX_FIELDS:,}" in OPERATIONS


def test_the_log_line_explained_is_a_line_that_is_written(
    gateway: Callable[..., Any], write_project: Callable[[Mapping[str, str]], Path]
) -> None:
    """A request with a missing part has exactly the members of the page's example, in that order."""
    project = write_project(
        {
            "routes.yaml": """
                services: {users: {url: "http://127.0.0.1:9"}}
                routes: [{path: /home, function: home}]
            """,
            "functions/home.py": """
                from bff import Context, optional
                async def handle(ctx: Context) -> str:
                    await optional(ctx.services.users.get("/"))
                    return "done"
            """,
        }
    )
    running = gateway(project, "serve")
    running.get("/home")  # cold: its line has the phases, the page's example has not
    running.get("/home", headers={"x-request-id": "warm"})
    line = running.log("request", request_id="warm")
    [shown] = re.findall(r"```json example=line\n(.*?)```", TELEMETRY, re.DOTALL)
    assert list(line) == list(json.loads(shown))
    assert set(line["services"][0]) - {"error"} == {
        "service",
        "status",
        "ms",
        "attempts",
        "bytes",
        "endpoint",
        "flags",
    }
    explained = {name for row in rows(TELEMETRY, "## Logs") for name in re.findall(r"`(\w+)`", row[0])}
    assert {"route", "ms", "client", "trace_id", "services", "missing"} <= explained


def test_the_architecture_page_names_every_room_and_no_file_that_is_gone() -> None:
    """A room is a package or module of ``bff/``."""
    page = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    folder = ROOT / "bff"
    rooms = {
        path.stem for path in folder.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()
    }
    for room in rooms - {"__init__"}:
        assert re.search(rf"\b{room}\b", page), room
    files = {path.name for path in folder.rglob("*.py")}
    assert {name for name in re.findall(r"\b(\w+\.py)\b", page) if name not in files} <= {
        "test_tutorial.py",
        "test_differential.py",
        "test_passthrough_smuggling.py",
        "test_events.py",
    }


def test_the_readme_shows_the_tutorials_function_and_answer() -> None:
    """So that what the README shows was really answered."""
    readme, tutorial = ((ROOT / name).read_text("utf-8") for name in ("README.md", "docs/tutorial.md"))
    [function] = re.findall(r"```python title=functions/home.py\n.*?```", readme, re.DOTALL)
    assert function in tutorial
    [answer] = re.findall(r"```console\n(\$ curl .*?)```", readme, re.DOTALL)
    head, _, body = answer.partition("…\n")
    assert head in tutorial
    assert body.strip() in tutorial
    for command in ("make run", "make test"):
        assert re.search(rf"^{command}\b", readme, re.MULTILINE)
