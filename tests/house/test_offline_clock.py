"""Real gateways by real clocks: a moment of a schedule is one event, and a clock that is set loses none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import ACCIDENTS, STOPS_WITHIN, GatewayFactory, eventually

Write = Callable[[Mapping[str, str | bytes]], Path]
HOUR = 3600
PROGRAM = """\
import sys, time
from pathlib import Path

real, later = time.time, Path(sys.argv.pop())
time.time = lambda: real() + float(later.read_text())
import bff.cli
bff.cli.main()
"""
ROUTES = """\
state: "sqlite:///.bff/state.db"
events: {path: /events}
functions: {work: {timeout: 5m}}
triggers: {work: {function: work, delivery: {backoffDelay: PT3S, retry: 5}}}
"""
WORK = """\
import asyncio
from pathlib import Path
from bff import CloudEvent, Context

HERE = Path("FOLDER")

async def handle(ctx: Context, event: CloudEvent) -> None:
    with (HERE / "notes").open("a") as notes:
        notes.write(event.id + "\\n")
    if event.id == "fails" and ctx.request.headers["bff-attempt"] == "1":
        raise RuntimeError("the first time")
    while event.id == "held" and not (HERE / "go").exists():
        await asyncio.sleep(0.02)
"""


class Set:
    """A gateway, and the clock that it looks at."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._clock = folder / "clock"
        self.set(0)
        command = [
            *(sys.executable, "-c", PROGRAM, "serve", "--config", str(folder / "routes.yaml"), "--port", "0"),
            *("--admin", "127.0.0.1:0", "--json", str(self._clock)),
        ]
        env = {**os.environ, "PYTHONUNBUFFERED": "1"}
        with (folder / "output").open("w") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=env)
        try:
            found = eventually(self._listening, within=60.0, every=0.05)
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise
        self.client = httpx.Client(base_url=found["public"], timeout=60, trust_env=False)
        self.admin = httpx.Client(base_url=found["admin"], timeout=60, trust_env=False)

    def set(self, seconds: int) -> None:
        """So much later than it is."""
        fresh = self._clock.with_suffix(".new")
        fresh.write_text(str(seconds))
        fresh.replace(self._clock)

    @property
    def output(self) -> str:
        return (self.folder / "output").read_text()

    def _listening(self) -> dict[str, str] | None:
        assert self.process.poll() is None, self.output
        lines = [line for line in self.output.splitlines() if '"admin":"http' in line]
        return dict(json.loads(lines[0])) if lines else None

    def send(self, number: str) -> str:
        attributes = {"id": number, "source": "/t", "type": "t", "specversion": "1.0"}
        headers = {f"ce-{name}": value for name, value in attributes.items()}
        answer = self.client.post("/events", headers=headers)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["events"][0]["key"])

    def ended(self, key: str) -> bool:
        (delivery,) = self.admin.get(f"/v1/events/{key}").json()["deliveries"]
        assert delivery["state"] not in ("dead", "cancelled"), delivery
        return bool(delivery["state"] == "delivered")

    def begun(self) -> Counter[str]:
        notes = self.folder / "notes"
        return Counter(notes.read_text().split() if notes.exists() else [])

    def stop(self) -> None:
        self.client.close()
        self.admin.close()
        self.process.terminate()
        code = self.process.wait(STOPS_WITHIN)
        assert code == 0, self.output
        assert not any(word in self.output for word in ACCIDENTS), self.output


@pytest.fixture
def machine(write_project: Write, tmp_path: Path) -> Iterator[Set]:
    files = {"routes.yaml": ROUTES, "functions/work.py": WORK.replace("FOLDER", str(tmp_path))}
    made = Set(write_project(files))
    yield made
    made.stop()


@pytest.mark.timeout(240)
def test_each_moment_is_one_event_however_many_gateways_share_the_store(
    write_project: Write, gateway: GatewayFactory
) -> None:
    """Both see that it is time; one of them has it."""
    folder = write_project(
        {
            "routes.yaml": 'state: "sqlite:///.bff/state.db"\n'
            'schedules: {tick: {cron: "* * * * * *", function: tick}}\n',
            "functions/tick.py": "async def handle() -> None: ...\n",
        }
    )
    gateway(folder)
    with httpx.Client(base_url=gateway(folder).admin, timeout=60, trust_env=False) as admin:

        def ended() -> list[Any]:
            found = admin.get("/v1/events?type=bff.schedule&limit=500").json()
            delivered = [
                each for each in found if any(one["state"] == "delivered" for one in each["deliveries"])
            ]
            return found if len(delivered) >= 4 else []

        events = eventually(ended, within=90.0, every=0.2)
    moments = [each["id"] for each in events]
    assert len(set(moments)) == len(moments)
    assert all(moment.endswith("Z") and "." not in moment for moment in moments), moments
    assert all(len(each["deliveries"]) <= 1 for each in events), "none where the one before had not ended"


@pytest.mark.timeout(240)
def test_a_clock_that_is_set_loses_nothing_keeps_nothing_waiting_and_begins_nothing_twice(
    machine: Set,
) -> None:
    """An hour back while one waits for its retry; two hours forward while one runs, whose lease then looks ended."""
    waiting = machine.send("fails")
    eventually(lambda: machine.begun()["fails"] == 1, within=60.0)
    machine.set(-HOUR)
    then = machine.send("after")
    for key in (waiting, then):
        eventually(lambda key=key: machine.ended(key), within=90.0, every=0.1)
    running = machine.send("held")
    eventually(lambda: machine.begun()["held"] == 1, within=60.0)
    machine.set(HOUR)
    late = machine.send("late")
    eventually(lambda: machine.ended(late), within=90.0, every=0.1)
    assert not machine.ended(running)
    (machine.folder / "go").touch()
    eventually(lambda: machine.ended(running), within=90.0, every=0.1)
    assert machine.begun() == {"fails": 2, "after": 1, "held": 1, "late": 1}
