"""Calls and runs are followed to their ends, over real sockets, from a process that makes none of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from bff.events.following import Followers, Seen, heard
from bff.revisions.store.failures import StoreUnavailable
from bff.sdk.eventfailures import TooManyFollow
from bff.testing import ManualClock
from tests.conftest import GatewayFactory, Running, eventually, write

ROUTES = """\
state: sqlite:///.bff/state.db
functions: {slow: {queue: work, timeout: 5m}}
calls: {functions: [slow], timeout: PT10M}
pipelines: {p: {steps: [{function: slow}]}}
"""
SLOW = """\
import asyncio
from pathlib import Path
from bff import Context

async def handle(ctx: Context, body: dict) -> dict:
    for done in range(body["parts"] + 1):
        while not Path("FOLDER", f"{body['name']}.{done}").exists():
            await asyncio.sleep(0.02)
        ctx.progress(done, body["parts"], f"part {done}")
    while not Path("FOLDER", f"{body['name']}.end").exists():
        await asyncio.sleep(0.02)
    return {"done": body["name"]}
"""


@dataclass(frozen=True)
class House:
    """A gateway, and a worker that makes what it takes in."""

    gateway: Running
    folder: Path
    admin: httpx.Client

    def let(self, name: str) -> None:
        """A function may go on to there."""
        (self.folder / name).touch()

    def begin(self, **body: Any) -> str:
        asked = self.gateway.client.post("/async-function/slow", json=body)
        assert asked.status_code == 202, asked.text
        return str(asked.headers["location"])

    def run(self, **body: Any) -> str:
        token = (self.folder / ".bff/admin-token").read_text().strip()
        headers = {"authorization": f"Bearer {token}"}
        begun = self.admin.post("/v1/pipelines/p/runs", json={"data": body}, headers=headers)
        where = f"/v1/runs/{begun.json()['key']}"
        eventually(lambda: self.admin.get(where).status_code == 200)
        return where


@pytest.fixture(scope="module")
def house(module_gateway: GatewayFactory, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("following")
    write(folder, {"routes.yaml": ROUTES, "functions/slow.py": SLOW.replace("FOLDER", str(folder))})
    gateway = module_gateway(folder, "serve", "--queues", "default")
    module_gateway(folder, "worker", "--queues", "work")
    with httpx.Client(base_url=gateway.admin, timeout=60, trust_env=False) as admin:
        yield House(gateway, folder, admin)


class Reader:
    """An ``EventSource``, as far as it matters. Mutable state: ``last``, the id it would come back with."""

    def __init__(self, client: httpx.Client, where: str, last: str = "") -> None:
        self._client = client
        self._where = where
        self.last = last

    def __enter__(self) -> Reader:
        headers = {"accept": "text/event-stream"} | ({"last-event-id": self.last} if self.last else {})
        self._open = self._client.stream("GET", self._where, headers=headers)
        self.answer = self._open.__enter__()
        self._lines = self.answer.iter_lines()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.__exit__(None, None, None)

    def next(self) -> tuple[str, dict[str, Any]] | None:
        """The next event, None at the end."""
        said: dict[str, str] = {}
        for line in self._lines:
            if not line and "data" in said:
                self.last = said["id"]
                return said["event"], json.loads(said["data"])
            name, _, value = line.partition(": ")
            said[name] = value
        return None

    def until(self, is_so: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """The first event that is so."""
        while (said := self.next()) is not None:
            if is_so(said[1]):
                return said[1]
        raise AssertionError("the stream ended before")


def done(number: int) -> Callable[[Mapping[str, Any]], bool]:
    return lambda told: told["progress"] is not None and told["progress"]["done"] == number


def test_a_call_is_followed_through_a_break_to_its_end(house: House) -> None:
    """Who comes back with the id of the last event hears of what came after, and nothing twice; who has heard of the end
    is told to come no more.
    """
    where, client = house.begin(name="a", parts=2), house.gateway.client
    house.let("a.0")
    with Reader(client, where) as reader:
        assert reader.answer.headers["content-type"] == "text/event-stream"
        assert reader.until(done(0))["progress"]["note"] == "part 0"
        house.let("a.1")
        assert reader.until(done(1))["state"] == "running"
    with Reader(client, where, reader.last) as again:
        house.let("a.2")
        told = again.next()
        assert told is not None
        assert (told[0], told[1]["progress"]["done"]) == ("progress", 2)
        house.let("a.end")
        kind, told_at_last = again.next() or ("", {})
        assert (kind, told_at_last["state"], told_at_last["status"]) == ("end", "succeeded", 200)
        assert again.next() is None
    with Reader(client, where) as late:
        assert (late.next() or ("",))[0] == "end"
        assert late.next() is None
    for last in (again.last, late.last):
        headers = {"accept": "text/event-stream", "last-event-id": last}
        assert client.get(where, headers=headers).status_code == 204


def test_a_call_that_is_deleted_ends_its_followers(house: House) -> None:
    where, client = house.begin(name="b", parts=1), house.gateway.client
    house.let("b.0")
    with Reader(client, where) as reader:
        reader.until(done(0))
        assert client.delete(where).json()["state"] == "cancelled"
        kind, told = reader.next() or ("", {})
        assert (kind, told["state"]) == ("end", "cancelled")
        assert reader.next() is None


def test_a_run_is_followed_with_what_its_parts_say(house: House) -> None:
    """On the admin listener, by the same rules."""
    where = house.run(name="c", parts=1)
    house.let("c.0")

    def going(number: int) -> Callable[[Mapping[str, Any]], bool]:
        return lambda told: [done(number)(each) for each in told["going"]] == [True]

    with Reader(house.admin, where) as reader:
        told = reader.until(going(0))
        assert (told["state"], told["step"], told["done"], told["total"]) == ("running", 0, 0, 1)
        house.let("c.1")
        reader.until(going(1))
    with Reader(house.admin, where, reader.last) as again:
        house.let("c.end")
        kind, told = again.next() or ("", {})
        assert (kind, told["state"], told["going"]) == ("end", "succeeded", [])
        assert again.next() is None
    headers = {"accept": "text/event-stream", "last-event-id": again.last}
    assert house.admin.get(where, headers=headers).status_code == 204
    assert house.admin.get("/v1/runs/none", headers=headers).status_code == 404


def seen(number: int, *, is_over: bool = False) -> Seen:
    return Seen(number=number, told=number, is_over=is_over)


@pytest.mark.anyio
async def test_a_store_that_is_away_is_asked_again_and_a_place_is_given_back() -> None:
    """Nothing is told twice, and a call that is forgotten ends the stream."""
    clock = ManualClock()
    answers: list[Seen | Exception | None] = [
        StoreUnavailable("is away"), seen(1), seen(1), StoreUnavailable("is away"), seen(2), None,
    ]  # fmt: skip

    async def look(_: int) -> Seen | None:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    followers = Followers(clock, most=1)
    followed = followers.admit(look, -1)
    with pytest.raises(TooManyFollow, match="1 callers follow"):
        followers.admit(look, -1)
    told: list[int] = []

    async def follow() -> None:
        told.extend([each.told async for each in followed])

    following = asyncio.create_task(follow())
    for _ in range(8):
        await clock.advance(0.25)
    await following
    assert (told, answers) == ([1, 2], [])
    for _ in range(2):
        await followed.aclose()
    assert followers.count == 0


@pytest.mark.parametrize(("text", "number"), [("17", 17), ("", -1), ("x", -1), ("9" * 40, -1), ("²", -1)])
def test_an_id_that_was_never_given_stands_for_nothing_heard(text: str, number: int) -> None:
    assert heard(text) == number
