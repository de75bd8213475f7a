"""Pages about events, dead letters, pipelines and schedules: what they say of what is kept, and how little they ask."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from bff.console.events import state_of
from bff.console.phrases import without_step
from bff.events.course import MOST_PARTS
from bff.events.operating import Operating
from bff.events.stages import Stages
from bff.testing import AsyncClient, ManualClock
from bff.testing.inprocess import inside
from tests.admin.conftest import Asking
from tests.console.conftest import Open

pytestmark = pytest.mark.anyio
Write = Callable[[Mapping[str, str | bytes]], Path]
LONG = "x" * 60
EVIL = "<script>alert('x')</script>&\""
FILES = {
    "routes.yaml": f"""\
        events: {{path: /events}}
        triggers:
          mail: {{function: mail, filters: [{{exact: {{type: paid}}}}], delivery: {{retry: 1}}}}
          pro: {{function: note, filters: [{{exact: {{$.plan: pro}}}}]}}
          {LONG}: {{function: note, filters: [{{exact: {{type: long}}}}]}}
        schedules: {{warm: {{cron: "0 0 1 1 *", time_zone: Europe/Zurich, function: note}}}}
        pipelines:
          images: {{steps: [{{function: split}}, {{function: size, each: $, delivery: {{retry: 0}}}}, {{function: note}}]}}
          {LONG}: {{steps: [{{parallel: [note, size]}}]}}
        """,
    "functions/mail.py": "async def handle() -> None:\n    raise RuntimeError('down')\n",
    "functions/note.py": "async def handle() -> dict:\n    return {'noted': True}\n",
    "functions/split.py": "async def handle(body: dict) -> list:\n    return list(range(body['n']))\n",
    "functions/size.py": """\
        from pathlib import Path
        from typing import Annotated
        from bff import Body, Context
        async def handle(ctx: Context, body: Annotated[int, Body()]) -> int:
            ctx.progress(1, 2, "half")
            if body == 1 and not Path("HERE/mended").exists():
                raise RuntimeError("cannot")
            return body
        """,
}


@dataclass
class Works:
    """A house where something has happened, and the console over it."""

    page: AsyncClient
    asking: Asking
    operating: Operating
    stages: Stages
    folder: Path

    async def send(self, number: str, kind: str, data: Any = None) -> str:
        said = {"id": number, "source": "/s", "type": kind, "specversion": "1.0"}
        headers = {f"ce-{name}": value for name, value in said.items()}
        answer = await self.page.post("/events", json=data or {}, headers=headers)
        return str(answer.json()["events"][0]["key"])

    async def run(self, count: int) -> str:
        key = await self.stages.start("images", {"n": count})
        await self.page.deliver(60)
        return key

    async def seen(self, path: str, status: int = 200) -> str:
        """The page's text as a reader has it."""
        page = await self.asking("GET", f"/console{path}", headers={"accept": "text/html"})
        assert page.status_code == status, page.text
        assert "<script>alert" not in page.text
        return " ".join(unescape(re.sub(r"<[^>]+>", " ", page.text)).split())


@pytest.fixture
async def works(
    anyio_backend: str, write_project: Write, console: Open, tmp_path: Path
) -> AsyncIterator[Works]:
    files = {name: text.replace("HERE", str(tmp_path)) for name, text in FILES.items()}
    clock = ManualClock()
    async with inside(write_project(files), clock=clock) as way, AsyncClient(way) as page:
        offline = way._house.offline
        operating, stages = offline.operating(), offline.stages()
        assert operating is not None
        assert stages is not None
        async with console(clock=clock, events=lambda: operating, stages=lambda: stages) as asking:
            yield Works(page, asking, operating, stages, tmp_path)


async def test_where_nothing_is_declared_the_pages_say_so(console: Open) -> None:
    async with console() as asking:
        for path, says in (
            ("/console/events", "This gateway has no events"),
            ("/console/dead", "This gateway has no events"),
            ("/console/pipelines", "No pipeline is declared"),
            ("/console/schedules", "No schedule is declared"),
        ):
            page = await asking("GET", path, headers={"accept": "text/html"})
            assert (page.status_code, says in page.text) == (200, True)
        for path in ("/console/events/k", "/console/runs/k", "/console/pipelines/p"):
            assert (await asking("GET", path, headers={"accept": "text/html"})).status_code == 404


async def test_an_event_tells_of_every_trigger_and_every_attempt(works: Works) -> None:
    key = await works.send("7", "paid", {"plan": EVIL})
    await works.page.deliver()
    page = await works.seen(f"/events/{key}")
    assert "Redrive" in page
    assert page.count("Function mail raised an error.") == 2
    assert f"The clause that failed: exact: $.plan is {EVIL!r}, not 'pro'" in page
    assert f"bff events explain {key}" in page
    assert "No event none is kept" in await works.seen("/events/none", 404)
    raw = (await works.asking("GET", f"/console/events/{key}", headers={"accept": "text/html"})).text
    assert (f"/v1/events/{key}/redrive" in raw, f"/v1/events/{key}/cancel" in raw) == (True, False)


async def test_events_are_found_by_what_they_are(works: Works) -> None:
    """Steps of pipelines, of which a run has thousands, are left out unless they are asked for."""
    paid = await works.send("7", "paid")
    long = await works.send("8", "long")
    await works.run(1)
    assert "images: split" not in (page := await works.seen("/events"))
    assert "3 events." in page
    assert "images: split" in await works.seen("/events?steps=true")
    for wanted in ("paid", "7", paid):
        assert "1 event." in await works.seen(f"/events?filter={wanted}"), wanted
    assert "2 events." in await works.seen("/events?filter=/s")
    assert "1 event." in await works.seen("/events?state=dead")
    assert "No event fits" in await works.seen("/events?filter=nothing")
    assert "No event fits" in await works.seen(f"/events?before={paid}")
    assert LONG in await works.seen(f"/events/{long}")


async def test_what_is_dead_is_told_with_why_and_gone_when_it_is_mended(works: Works) -> None:
    await works.send("7", "paid")
    await works.page.deliver()
    run = await works.run(3)
    page = await works.seen("/dead")
    assert page.count("Function mail raised an error.") == 1
    assert "images to size" in page
    assert "Only those of mail" in (mail := await works.seen("/dead?trigger=mail"))
    assert "Function size raised an error." not in mail
    (works.folder / "mended").touch()
    assert await works.stages.resume(run) == 1
    await works.page.deliver()
    assert "Function size raised an error." not in await works.seen("/dead")


async def test_a_run_is_told_from_its_first_step_to_where_it_stands(works: Works) -> None:
    """With why it failed and a button that goes on from there; and when it has ended with its answer."""
    key = await works.run(3)
    page = await works.seen(f"/runs/{key}")
    assert "Restart from the failed step" in page
    assert "size: Function size raised an error." in page
    assert "2 of 3, 1 dead" in page
    assert "size #2" in page
    assert "not begun" in page
    listed = await works.seen("/pipelines/images")
    assert "size, 2 of 3" in listed
    assert "No run yet" in await works.seen("/pipelines")
    (works.folder / "mended").touch()
    await works.stages.resume(key)
    await works.page.deliver(60)
    page = await works.seen(f"/runs/{key}")
    assert '{ "noted": true }' in page
    assert "Restart" not in page
    assert "No run none is kept" in await works.seen("/runs/none", 404)
    assert "did you mean images?" in await works.seen("/pipelines/imagse", 404)


async def test_of_a_step_with_thousands_of_parts_some_are_shown(works: Works) -> None:
    """What went wrong among them, wherever it stands."""
    key = await works.run(MOST_PARTS + 5)
    course = await works.stages.course(key)
    assert [len(stage.parts) for stage in course.stages] == [1, MOST_PARTS, 0]
    assert course.stages[1].total == MOST_PARTS + 5
    assert [part.event[-5:] for part in course.stages[1].parts if part.state == "dead"] == ["00001"]
    assert "and 5 further parts" in await works.seen(f"/runs/{key}")


async def test_a_schedule_says_when_it_runs_and_has_run(works: Works) -> None:
    page = await works.seen("/schedules")
    assert "0 0 1 1 * Europe/Zurich note Run now" in page
    assert "-12-31T23:00:00.000Z never" in page


def test_an_event_stands_as_what_somebody_has_to_look_at_first() -> None:
    def state(*states: str) -> str:
        return state_of([{"state": each} for each in states])

    assert state("delivered", "dead", "waiting") == "dead"
    assert state("delivered", "running", "waiting") == "waiting"
    assert state("cancelled", "delivered") == "cancelled"
    assert state("delivered") == "delivered"
    assert state() == "unwanted"


def test_why_a_run_failed_is_told_without_a_number() -> None:
    assert without_step("step 1: it: broke") == "it: broke"
    assert without_step("something else: broke") == "something else: broke"
    assert without_step("") == ""
