"""What becomes of runs and events when processes are killed, disks are full, events are poison and steps hang."""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from bff.events.delivering import MOST_LOST
from bff.events.records import Sought
from bff.testing import ManualClock, client
from bff.testing.inprocess import AsyncClient, inside
from tests.conftest import GatewayFactory, Running, eventually

Write = Callable[[Mapping[str, str | bytes]], Path]
IS_LONG = bool(os.environ.get("BFF_SOAK"))
RUNS, KILLS = (2000, 60) if IS_LONG else (60, 4)
CONCURRENCY = 4
ROUTES = f"""\
state: "STATE"
events: {{path: /events, concurrency: {CONCURRENCY}}}
functions: {{one: {{queue: work}}, two: {{queue: work}}}}
pipelines:
  both:
    filters: [{{exact: {{type: t}}}}]
    steps: [{{function: one}}, {{function: two}}]
"""
STEP = """\
import asyncio, json, os
from bff import Context

async def handle(ctx: Context, body: dict) -> dict:
    said = {"step": "NAME", "run": body["n"], "key": ctx.request.headers["idempotency-key"]}
    with open("FOLDER/notes", "a") as notes:
        notes.write(json.dumps(said) + "\\n")
    await asyncio.sleep(0.01)
    return body
"""


def batch(numbers: range) -> tuple[str, dict[str, str]]:
    events = [
        {"id": str(n), "source": "/tests", "type": "t", "specversion": "1.0", "data": {"n": n}}
        for n in numbers
    ]
    return json.dumps(events), {"content-type": "application/cloudevents-batch+json"}


class Cluster:
    """A gateway and two workers that share a store. Mutable state: ``running``, by name."""

    def __init__(self, folder: Path, start: GatewayFactory) -> None:
        self._folder = folder
        self._start = start
        self.running = {name: self._begun(name) for name in ("gateway", "w-1", "w-2")}

    def _begun(self, name: str) -> Running:
        if name == "gateway":
            return self._start(self._folder, "serve", "--queues", "default", "--name", name)
        return self._start(self._folder, "worker", "--name", name)

    def kill(self, name: str) -> None:
        """Killed without a word, and started again as a supervisor would."""
        self.running[name].signal(signal.SIGKILL)
        self.running[name].wait()
        self.running[name] = self._begun(name)

    def send(self, numbers: range) -> list[dict[str, Any]]:
        """Until they are acknowledged, as a careful sender does: the same events again."""
        body, headers = batch(numbers)

        def sent() -> list[dict[str, Any]] | None:
            try:
                answer = self.running["gateway"].client.post("/events", content=body, headers=headers)
            except httpx.HTTPError:
                return None
            return list(answer.json()["events"]) if answer.status_code == 202 else None

        return list(eventually(sent, within=60.0, every=0.05))


def notes(folder: Path) -> list[dict[str, Any]]:
    file = folder / "notes"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


@pytest.mark.timeout(1800 if IS_LONG else 240)
@pytest.mark.parametrize("state", ["sqlite", *(["postgres"] if IS_LONG else [])])
def test_kill_9_of_gateway_and_workers_loses_no_run(
    state: str, tmp_path: Path, write_project: Write, gateway: GatewayFactory, request: pytest.FixtureRequest
) -> None:
    """At random moments, again and again: every run that was acknowledged ends, once, however often its event is sent.
    Twice only steps that ran when their process was killed, and those under the key they had before.
    """
    url = "sqlite:///.bff/state.db" if state == "sqlite" else request.getfixturevalue("postgres_url")
    files = {f"functions/{name}.py": STEP.replace("NAME", name) for name in ("one", "two")}
    files = {name: text.replace("FOLDER", str(tmp_path)) for name, text in files.items()}
    cluster = Cluster(write_project({"routes.yaml": ROUTES.replace("STATE", url), **files}), gateway)
    chance, size = random.Random(7), max(1, RUNS // (KILLS * 2))
    sent = [range(at, min(at + size, RUNS)) for at in range(0, RUNS, size)]
    for number, numbers in enumerate(sent):
        cluster.send(numbers)
        if number % 2:
            time.sleep(chance.random() * 0.2)  # when they are killed is the subject
            cluster.kill(("w-1", "gateway", "w-2")[number // 2 % 3])

    def ended() -> bool:
        return {each["run"] for each in notes(tmp_path) if each["step"] == "two"} == set(range(RUNS))

    eventually(ended, within=600.0 if IS_LONG else 90.0, every=0.2)
    assert not any(each["new"] for numbers in sent for each in cluster.send(numbers))
    said = notes(tmp_path)
    times = Counter((each["run"], each["step"]) for each in said)
    keys = defaultdict(set)
    for each in said:
        keys[each["run"], each["step"]].add(each["key"])
    assert all(len(each) == 1 for each in keys.values())
    twice = sum(count - 1 for count in times.values())
    print(f"{RUNS} runs, {len(sent) // 2} kills: 0 lost, {twice} steps twice")
    assert twice <= (len(sent) // 2) * CONCURRENCY


@pytest.mark.timeout(180)
def test_a_disk_that_is_full_refuses_events_and_loses_none(
    tmp_path: Path, write_project: Write, gateway: GatewayFactory
) -> None:
    """A limit of the system's for files stands in for the disk, which a test cannot mount: what cannot be written is
    refused with 503; once there is room everything that was acknowledged is delivered.
    """
    folder = write_project(
        {
            "routes.yaml": "events: {path: /events}\ntriggers: {work: {function: one}}\n",
            "functions/one.py": STEP.replace("NAME", "one").replace("FOLDER", str(tmp_path)),
        }
    )
    running, sent = gateway(folder), set[int]()

    def send(number: int) -> int:
        body, headers = batch(range(number, number + 1))
        status = running.client.post("/events", content=body, headers=headers).status_code
        if status == 202:
            sent.add(number)
        return status

    assert send(0) == 202
    before = resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE)
    # Less than the store has already: SQLite may write anew what is at the beginning of its log.
    resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (4096, before[1]))
    statuses = [send(number) for number in range(1, 6)]
    assert set(statuses) <= {202, 503}
    assert 503 in statuses
    resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, before)
    eventually(lambda: send(100) == 202, within=60.0, every=0.1)
    eventually(lambda: {each["run"] for each in notes(tmp_path)} >= sent, within=60.0, every=0.1)


POISON = """\
events: {path: /events}
triggers: {work: {function: one, delivery: {deadLetterSink: letters}}}
"""
LETTERS = """\
from bff import CloudEvent

async def handle(event: CloudEvent) -> None:
    with open("FOLDER/notes", "a") as notes:
        notes.write('{"letter": "%s"}\\n' % event.extensions["knativeerrordata"])
"""


ENDS = """\
import os, time
from pathlib import Path

def handle(body: dict) -> None:
    while not Path("FOLDER/go").exists():
        time.sleep(0.01)
    with open("FOLDER/ends", "a") as ends:
        ends.write("x")
    os._exit(1)
"""


@pytest.mark.timeout(300)
def test_an_event_that_ends_its_processes_is_dead_after_some_of_them(
    tmp_path: Path, write_project: Write, gateway: GatewayFactory
) -> None:
    """Attempts that nobody ended are counted: it is not given to the function any more, its sink gets it, and what
    comes after it is delivered.
    """
    go = tmp_path / "go"
    folder = write_project(
        {
            "routes.yaml": POISON.replace("letters}}}", "letters}}, after: {function: two}}")
            + 'state: "sqlite:///.bff/state.db"\nfunctions: {one: {queue: bad, timeout: 5m}}\n',
            "functions/one.py": ENDS.replace("FOLDER", str(tmp_path)),
            "functions/two.py": STEP.replace("NAME", "two").replace("FOLDER", str(tmp_path)),
            "functions/letters.py": LETTERS.replace("FOLDER", str(tmp_path)),
        }
    )
    serving = gateway(folder, "serve", "--queues", "default")
    body, headers = batch(range(1))
    assert serving.client.post("/events", content=body, headers=headers).status_code == 202
    for number in range(MOST_LOST):
        ended = gateway(folder, "worker", "--queues", "bad", "--name", "w-1")
        go.touch()
        assert ended.wait() == 1, f"worker {number} of {MOST_LOST}"
        go.unlink()
    gateway(folder, "worker", "--queues", "bad", "--name", "w-1")
    eventually(lambda: [each for each in notes(tmp_path) if "letter" in each], within=60.0, every=0.1)
    (letter,) = [each["letter"] for each in notes(tmp_path) if "letter" in each]
    assert letter.startswith("5 attempts ended with the processes that made them")
    assert (tmp_path / "ends").read_text() == "x" * MOST_LOST
    assert [each["step"] for each in notes(tmp_path) if "step" in each] == ["two"]


@pytest.mark.anyio
async def test_an_event_that_cannot_be_read_stands_in_nobodys_way(
    tmp_path: Path, write_project: Write
) -> None:
    """Damaged in the store: it is dead, and the next one is delivered."""
    files = {
        "routes.yaml": POISON,
        "functions/one.py": STEP.replace("NAME", "one").replace("FOLDER", str(tmp_path)),
        "functions/letters.py": LETTERS,
    }
    async with inside(write_project(files), clock=ManualClock()) as way, AsyncClient(way) as page:
        events = way._house.events
        assert events is not None
        events.dispatcher.capacity = 0
        body, headers = batch(range(2))
        await page.post("/events", content=body, headers=headers)
        damage = "UPDATE events SET document = ? WHERE id = '0'"
        await events.engine.store.write(lambda session, _: session.rows(damage, b'{"id": 1}'))
        events.dispatcher.capacity = 16
        events.dispatcher.wake()
        await page.deliver()
        found = await events.engine.list(Sought())
    assert {kept.id: str(each[0].state) for kept, each in found} == {"0": "dead", "1": "delivered"}


HANGS = """\
import time
from pathlib import Path

def handle(body: dict) -> dict:
    first = Path("FOLDER/hung")
    if not first.exists():
        first.touch()
        time.sleep(600)
    return body
"""


@pytest.mark.anyio
async def test_a_step_that_hangs_is_ended_and_tried_again(tmp_path: Path, write_project: Write) -> None:
    """In a process of its own, which is killed; its run goes on with the second attempt."""
    files = {
        "routes.yaml": """\
            events: {path: /events}
            functions: {one: {isolation: process}}
            pipelines:
              both:
                filters: [{exact: {type: t}}]
                steps:
                  - {function: one, delivery: {timeout: PT2S, backoffDelay: PT0.05S, retry: 20}}
                  - {function: two}
            """,
        "functions/one.py": HANGS.replace("FOLDER", str(tmp_path)),
        "functions/two.py": STEP.replace("NAME", "two").replace("FOLDER", str(tmp_path)),
    }
    async with client(write_project(files)) as page:
        body, headers = batch(range(1))
        assert (await page.post("/events", content=body, headers=headers)).status_code == 202
        await page.deliver()
        tries = [each.status for each in page.invocations if each.function == "one"]
    assert (tries[0], tries[-1]) == (504, 200)
    assert [each["run"] for each in notes(tmp_path)] == [0]
