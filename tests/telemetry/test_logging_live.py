"""The log of a whole gateway: what is in it, what is not, and how it is turned up and down while it runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer

from bff.cli.level import level
from tests.cli.conftest import Ran, Shell
from tests.conftest import Running, save, write

ROUTES = """
services: {users: {url: "http://127.0.0.1:9", headers: {x-partner: "${PARTNER}"}}}
functions:
  apart: {isolation: process}
routes:
  - {path: "/say/{word}", function: say}
  - {path: "/apart/{word}", function: apart}
  - {path: "/late", function: late}
"""
SAY = """
import logging
from bff import Context

logging.getLogger("shop").warning("open %s", __name__.rpartition(".")[2][-5:])

async def handle(ctx: Context, word: str) -> str:
    ctx.log.debug("quiet", word=word)
    ctx.log.info("said", word=word, level="forged", partner="orange-sesame")
    logging.getLogger("shop").warning("heard %s", word)
    print("printed", word, '\\n{"event": "forged"}')
    return word
"""
LATE = """
import warnings
from bff import Context

async def handle(ctx: Context) -> None:
    warnings.simplefilter("always")
    warnings.warn("this is old")
    raise RuntimeError("no orange-sesame\\n{\\"event\\": \\"forged\\"}")
"""


@pytest.fixture(scope="module")
def running(module_gateway: Callable[..., Running], tmp_path_factory: pytest.TempPathFactory) -> Running:
    folder = tmp_path_factory.mktemp("logging")
    files = {"say": SAY, "apart": SAY, "late": LATE}
    write(folder, {"routes.yaml": ROUTES, **{f"functions/{name}.py": text for name, text in files.items()}})
    return module_gateway(folder, env={"PARTNER": "orange-sesame"})


@pytest.fixture
def bff(running: Running) -> Iterator[Callable[..., Ran]]:
    yield lambda *args: Shell(running.folder)(*args, BFF_ADMIN=running.admin)
    assert changed(running, "DELETE").json() == {"level": "info", "sample": 1.0, "functions": {}}


def changed(running: Running, method: str, **options: Any) -> httpx.Response:
    token = (running.folder / ".bff/admin-token").read_text().strip()
    headers = {"authorization": f"Bearer {token}"}
    return httpx.request(method, f"{running.admin}/v1/logging", headers=headers, trust_env=False, **options)


def asked(running: Running, path: str, request_id: str) -> dict[str, Any]:
    running.get(path, headers={"x-request-id": request_id})
    return dict(running.log("request", request_id=request_id))


@pytest.mark.parametrize("function", ["say", "apart"])
def test_what_a_function_says_is_found_by_its_requests_identity(running: Running, function: str) -> None:
    """In the gateway and in a process of its own: by ``ctx.log`` and by ``logging``."""
    line = asked(running, f"/{function}/hello", f"id-{function}")
    said = running.log("said", request_id=f"id-{function}")
    names = ("function", "revision", "route", "request_id", "trace_id")
    assert {name: said[name] for name in names} == {name: line[name] for name in names}
    assert (said["word"], said["level"], said["level_"], said["partner"]) == (
        "hello",
        "info",
        "forged",
        "[redacted]",
    )
    heard = running.log("heard hello", request_id=f"id-{function}")
    assert (heard["logger"], {name: heard[name] for name in names}) == (
        "shop",
        {name: line[name] for name in names},
    )


def test_what_a_function_prints_is_a_line_of_the_log(running: Running) -> None:
    """Line by line, with whose it is: what stands on standard output was written by the gateway."""
    line = asked(running, "/say/aloud", "id-printed")
    said = running.log("printed aloud", request_id="id-printed")
    names = ("function", "revision", "route", "trace_id")
    assert {name: said[name] for name in names} == {name: line[name] for name in names}
    assert said["logger"] == "stdout"
    assert running.log('{"event": "forged"}', request_id="id-printed")["level"] == "info"


def test_what_a_module_logs_while_it_is_imported_is_a_line(running: Running) -> None:
    """Of no request; in a process, of the function and revision that it has."""
    running.get("/say/x")
    running.get("/apart/x")
    running.log("open", logger="shop", function="apart", revision="apart-00001")
    assert running.logs("open", logger="shop")


def test_a_callers_text_makes_no_line(running: Running) -> None:
    """In a path, in what a function makes of it, in a method."""
    word = 'x%0A{"event":"forged"}%E2%80%A8%C2%85%1B[31m'
    asked(running, f"/say/{word}", "id-forged")
    said = running.log("said", request_id="id-forged")
    assert said["word"].splitlines()[0] == "x"
    assert running.logs("forged") == []
    text = running.output
    assert not any(each in text for each in ("\x1b", "\x85", "\u2028"))


def test_a_failure_tells_no_secret(running: Running) -> None:
    """Neither of the exception's own words nor of its traceback; the warning is a line, too."""
    line = asked(running, "/late", "id-late")
    assert (line["outcome"], line["fault"]) == ("function-failed", "function")
    assert "[redacted]" in "".join(line["traceback"])
    assert "this is old" in running.log(logger="py.warnings", event="")["event"]
    assert "orange-sesame" not in running.output


def test_it_is_turned_up_for_one_function_and_down_again(running: Running, bff: Callable[..., Ran]) -> None:
    """By a command, from the next line on."""
    asked(running, "/say/a", "id-a")
    ran = bff("level", "debug", "--function", "say", "--json")
    assert json.loads(ran.out) == {"level": "info", "sample": 1.0, "functions": {"say": "debug"}}, ran.err
    asked(running, "/say/b", "id-b")
    assert [line["request_id"] for line in running.logs("quiet")] == ["id-b"]
    assert changed(running, "PATCH", json={"functions": {"say": None}}).json()["functions"] == {}
    asked(running, "/say/c", "id-c")
    assert [line["request_id"] for line in running.logs("quiet")] == ["id-b"]


def test_a_share_of_the_good_requests_is_told(running: Running, bff: Callable[..., Ran]) -> None:
    """By their trace; failures always."""
    assert "0.5 %" in bff("level", "--sample", "0.5%").out
    traces = [f"{'0' * 23}1{low}" for low in ("00000000", "ffffffff")]
    for trace, name in zip(traces, ("kept", "left-out"), strict=True):
        headers = {"x-request-id": name, "traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
        running.get("/say/x", headers=headers)
        running.get("/late", headers={**headers, "x-request-id": f"{name}-late"})
    running.log("request", request_id="left-out-late")
    assert [line["sampled"] for line in running.logs("request", request_id="kept")] == [0.005]
    assert running.logs("request", request_id="left-out") == []


def test_a_changed_telemetry_section_is_obeyed(running: Running) -> None:
    """With the next reload; another change leaves alone what somebody asked for meanwhile."""
    file = running.folder / "routes.yaml"
    before = file.read_text()

    def applied(text: str) -> dict[str, Any]:
        since = running.lines_so_far
        save(file, text)
        running.wait_for(lambda line: "routes.yaml applied" in line, since=since)
        return dict(httpx.get(f"{running.admin}/v1/logging", trust_env=False).json())

    assert applied(before + "telemetry: {log_level: debug}\n")["level"] == "debug"
    changed(running, "PATCH", json={"sample": 0.5})
    told = applied(before + "telemetry: {log_level: debug}\n# a word\ngateway: {max_body: 2MiB}\n")
    assert told == {"level": "debug", "sample": 0.5, "functions": {}}
    assert applied(before) == {"level": "info", "sample": 1.0, "functions": {}}


def test_the_command_says_what_was_written_wrong(bff: Callable[..., Ran]) -> None:
    """As the gateway does; what cannot be meant is not even asked."""
    no = bff("level", "debug", "--function", "sya")
    assert (no.code, "did you mean say" in no.err) == (1, True)


def test_writes_need_a_token_and_leave_a_record(running: Running) -> None:
    """As every write does; reading is open on loopback."""
    assert httpx.get(f"{running.admin}/v1/logging", trust_env=False).json()["level"] == "info"
    refused = httpx.patch(f"{running.admin}/v1/logging", json={"level": "debug"}, trust_env=False)
    assert refused.status_code == 401
    assert changed(running, "PATCH", json={"sample": 1.0, "level": "info"}).status_code == 200
    running.wait_for(lambda line: "changeLogging" in line and '"sample":1.0' in line)


@pytest.mark.parametrize(
    "wrong",
    [
        {"wanted": "loud"},
        {"sample": "2"},
        {"sample": "0%"},
        {"function": "say"},
        {"wanted": "info", "resets": True},
    ],
)
def test_what_cannot_be_meant_is_refused_before_anybody_is_asked(
    wrong: dict[str, Any], tmp_path: Path
) -> None:
    """With exit code 2."""
    given: dict[str, Any] = {"wanted": None, "function": None, "sample": None, "resets": False, **wrong}
    wanted = given.pop("wanted")
    with pytest.raises(typer.Exit) as ended:
        level(wanted, admin="http://127.0.0.1:9", config=tmp_path, as_json=False, **given)
    assert ended.value.exit_code == 2
