"""Every page, in every state that there is: its whole, and each of its live parts by itself."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bff.admin.operation import EVENTS
from bff.measured import FIRST_CALL, Imported, WarmUp
from bff.revisions.judgement import Finding, Outcome, Verdict
from bff.runtime.autoscaler import Policy
from bff.runtime.closeup import Closeup, Process
from bff.telemetry.failure import Witness
from bff.telemetry.identity import Callers
from bff.telemetry.recorder import Recorder
from bff.testing import ManualClock
from tests.admin.conftest import Asking, turned
from tests.admin.test_recordings import ended
from tests.console.conftest import Open, Standing

pytestmark = pytest.mark.anyio

PAGE = {"accept": "text/html"}
SOURCES = ("async def handle(): ...\n", "async def handle(limit: int = 1): ...\n")


def once() -> Callable[[], bool]:
    """The gateway stays for one look, and then leaves."""
    answers: Iterator[bool] = iter([True, False])
    return lambda: next(answers, False)


async def parts(asking: Asking, path: str) -> dict[str, str]:
    """The first thing that a page's stream tells."""
    told = await asking("GET", path, headers={"accept": EVENTS})
    assert told.status_code == 200
    data = re.search(r"event: parts\nid: 1\ndata: (.*)\n", told.text)
    assert data is not None, told.text
    return dict(json.loads(data[1]))


def closeup(revision: str, **more: Any) -> Closeup:
    usual: dict[str, Any] = {
        "isolation": "inline",
        "states": {"warm": 1},
        "in_flight": 1,
        "waiting": 0,
        "concurrency": 0,
        "scale": Policy(),
        "processes": (),
        "warm_up": WarmUp(
            function="hello",
            revision=revision,
            phases={"read": 0.001, "imports": 0.2, FIRST_CALL: 0.01},
            imports=Imported(children=(Imported(name="pandas", cumulative=0.19),)),
        ),
        "retired": False,
    }
    return Closeup(revision=revision, **{**usual, **more})


VERDICT = Verdict(
    outcome=Outcome.OPEN,
    canary_calls=40,
    baseline_calls=41,
    findings=(
        Finding(test="errors", canary=0.1, baseline=0.0, evidence=120.0, needed=250.0, excess=0.1),
        Finding(test="latency", canary=0.02, baseline=0.01, evidence=0.5, needed=250.0),
    ),
)
RUNNING = {
    "function": "hello",
    "canary": "hello-00002",
    "baseline": "hello-00001",
    "steps": [5, 50, 100],
    "since": 1.0,
    "at": 1,
    "state": "running",
}


async def test_an_empty_gateway_says_what_to_do(console: Open) -> None:
    async with console(functions={}, is_ready=once()) as asking:
        assert "Put a file into the functions folder" in (await asking("GET", "/console", headers=PAGE)).text
        assert "There is no function yet" in (await asking("GET", "/console/functions", headers=PAGE)).text
        assert "Nobody calls" in (await parts(asking, "/console"))["busy"]


async def test_without_a_recorder_pages_say_why_they_are_empty(console: Open) -> None:
    async with console(functions={"hello": Standing("hello")}) as asking:
        assert "telemetry.recorder" in (await asking("GET", "/console", headers=PAGE)).text


async def test_the_overview_tells_what_was_called(console: Open) -> None:
    clock = ManualClock()
    recorder = Recorder(Witness(lambda _module, _file: None), Callers(), memory=2**22, slow=0.5)
    for _ in range(20):
        recorder.keep(ended(clock, function="hello"))
    await clock.advance(1.0)
    warm = Standing("hello", {"state": "warm", "instances": 1, "last_used": "2026-11-28T06:00:00.000Z"})
    broken = Standing("broken", {"failure": "functions/broken.py:1: no"})
    async with console(functions={"hello": warm, "broken": broken}, recorder=recorder, clock=clock) as asking:
        page = (await asking("GET", "/console", headers=PAGE)).text
        assert ">2</dd>" in page  # calls per second, over ten
        assert 'href="/console/functions/broken"' in page
        assert "cannot be loaded" in page


async def test_five_hundred_functions_are_fifty_rows_a_page(console: Open) -> None:
    """And are asked how they stand once, not for each row or watcher."""
    functions = {f"f{n:03}": Standing(f"f{n:03}") for n in range(500)}
    async with console(functions=functions) as asking:
        page = (await asking("GET", "/console/functions", headers=PAGE)).text
        assert page.count("<tr>") == 51
        assert "of 500" in page
        last = (await asking("GET", "/console/functions?page=10", headers=PAGE)).text
        assert "f499" in last
        beyond = (await asking("GET", "/console/functions?page=99", headers=PAGE)).text
        assert "f499" in beyond
        found = (await asking("GET", "/console/functions?filter=F49", headers=PAGE)).text
        assert found.count("<tr>") == 11
        assert functions["f250"].asked == 1  # none of those pages shows it


@pytest.mark.parametrize(
    ("state", "shown"), [("", {"a", "b", "c"}), ("warm", {"a"}), ("cold", {"b"}), ("failing", {"c"})]
)
async def test_functions_are_found_by_state(console: Open, state: str, shown: set[str]) -> None:
    functions = {
        "a": Standing("a", {"state": "idle", "instances": 1}),
        "b": Standing("b"),
        "c": Standing("c", {"failure": "no"}),
    }
    async with console(functions=functions) as asking:
        page = (await asking("GET", f"/console/functions?state={state}", headers=PAGE)).text
        assert set(re.findall(r'href="/console/functions/(\w)"', page)) == shown


async def test_one_function_tells_of_its_revisions_release_and_instances(console: Open) -> None:
    """The judge's numbers, the way back, processes with their memory, warm-ups with their imports."""
    seen = [
        closeup(
            "hello-00002",
            isolation="process",
            states={"warm": 2},
            processes=(Process(pid=4711, memory=2**26),),
        ),
        closeup("hello-00001", warm_up=None, retired=True),
    ]
    more: dict[str, Any] = {"closeups": lambda _: seen, "verdict": lambda _: VERDICT}
    async with console(functions={"hello": Standing("hello")}, is_ready=once(), **more) as asking:
        await asking.publish(*SOURCES)
        await asking.write("POST", "/v1/functions/hello/promote", json={"revision": "hello-00001"})
        await turned(asking.store, RUNNING, goes_on=True, why="deploy")
        page = (await asking("GET", "/console/functions/hello", headers=PAGE)).text
        live = await parts(asking, "/console/functions/hello")
        assert set(live) == {"numbers", "points", "traffic", "release", "instances", "revisions", "history"}
        for html in live.values():
            assert html.strip() in page or "data-points" in html
        assert "It looks worse, but not surely yet" in live["release"]
        assert "/v1/functions/hello/pause" in live["release"]
        assert 'aria-current="step">50 %' in live["release"]
        assert "4711" in live["instances"]
        assert "64.0 MiB" in live["instances"]
        assert "pandas" in live["instances"]
        assert "Give all calls to hello-00002" in live["revisions"]
        assert "deploy" in live["history"]


async def test_a_function_that_was_never_called_and_one_that_is_broken(console: Open) -> None:
    functions = {
        "hello": Standing("hello", {"revision": None}),
        "broken": Standing(
            "broken",
            {
                "failure": "functions/broken.py:1: <no>",
                "blocked": {"count": 2, "longest_ms": 400, "line": "functions/broken.py:7"},
                "stuck_threads": 1,
            },
        ),
    }
    async with console(functions=functions) as asking:
        fresh = (await asking("GET", "/console/functions/hello", headers=PAGE)).text
        assert "No revision yet" in fresh
        assert "Nothing is loaded" in fresh
        assert "Nothing has happened" in fresh
        broken = (await asking("GET", "/console/functions/broken", headers=PAGE)).text
        assert "functions/broken.py:1: &lt;no&gt;" in broken
        assert "broken-00001 goes on serving" in broken
        assert "isolation: process" in broken


async def test_ended_releases_offer_nothing_to_press(console: Open) -> None:
    async with console(functions={"hello": Standing("hello")}) as asking:
        await asking.publish(*SOURCES)
        for state, word in (("promoted", "promoted"), ("rolled-back", "rolled-back")):
            await turned(asking.store, {**RUNNING, "state": state}, goes_on=False)
            page = (await asking("GET", "/console/functions/hello", headers=PAGE)).text
            assert word in page
            assert "/promote" not in page


async def test_differences_are_told_and_what_is_no_revision_refused(console: Open) -> None:
    async with console(functions={"hello": Standing("hello")}) as asking:
        nothing = (await asking("GET", "/console/functions/hello/diff", headers=PAGE)).text
        assert "It takes two revisions" in nothing
        await asking.publish(*SOURCES)
        page = (await asking("GET", "/console/functions/hello/diff", headers=PAGE)).text
        assert '<span class="minus">-async def handle(): ...</span>' in page
        assert '<span class="plus">+async def handle(limit: int = 1): ...</span>' in page
        same = "/console/functions/hello/diff?from=hello-00001&to=hello-00001"
        assert "They are the same" in (await asking("GET", same, headers=PAGE)).text
        unknown = "/console/functions/hello/diff?from=hello-00001&to=hello-00009"
        assert (await asking("GET", unknown, headers=PAGE)).status_code == 404


async def test_a_function_that_is_gone_is_told_on_the_page_and_in_its_stream(console: Open) -> None:
    async with console(functions={"hello": Standing("hello")}, is_ready=once()) as asking:
        assert (await asking("GET", "/console/functions/helo", headers=PAGE)).status_code == 404
        stream = await asking("GET", "/console/functions/helo", headers={"accept": EVENTS})
        assert "event: trouble" in stream.text
        assert "helo" in stream.text


async def test_a_row_tells_of_every_instance_and_of_the_memory_of_processes(console: Open) -> None:
    """Also of more than one of them, and of what is warming beside what is warm."""
    seen = [
        closeup("hello-00002", states={"warm": 2, "warming": 1}, processes=(Process(pid=1, memory=2**20),)),
        closeup("hello-00001", states={"idle": 1}, processes=(Process(pid=2, memory=2**20),)),
    ]
    warm = Standing("hello", {"state": "warm", "instances": 3})
    async with console(functions={"hello": warm}, closeups=lambda _: seen) as asking:
        page = (await asking("GET", "/console/functions", headers=PAGE)).text
        for told in ("2 warm", ">warming<", ">idle<", "2.0 MiB"):
            assert told in page


async def test_what_people_write_is_text_on_every_part(console: Open) -> None:
    """Notes, reasons, tags of a deploy, and what a judge's sentence or a failure quotes."""
    evil = "</script><script>alert(1)</script>'\"<img src=x onerror=alert(1)>"
    standing = Standing("hello", {"failure": evil})
    async with console(functions={"hello": standing}, is_ready=once()) as asking:
        body = asking.packed({"hello.py": SOURCES[0]})
        await asking.desk.deploy("hello", body, note=evil, tag="", no_traffic=False, who=evil)
        await asking.publish(SOURCES[1])
        await asking.write("POST", "/v1/functions/hello/rollback", json={"to": "hello-00001", "why": evil})
        await turned(asking.store, {**RUNNING, "canary": evil}, goes_on=True, why=evil)
        pages = [(await asking("GET", "/console/functions/hello", headers=PAGE)).text]
        pages += (await parts(asking, "/console/functions/hello")).values()
        for html in pages:
            assert "<script>alert" not in html
            assert "<img src=x" not in html
        assert "&lt;img src=x" in pages[0]
        assert max(len(each) for each in re.findall(r'data-act="([^"]*)"', pages[0])) > 100
