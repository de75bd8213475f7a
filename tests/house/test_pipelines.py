"""Pipelines through the whole house: steps that hand on, lists that fan out and join, runs that go on where they were."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from bff.testing import AsyncClient, ManualClock, client

pytestmark = pytest.mark.anyio

Write = Callable[[Mapping[str, str | bytes]], Path]
NOTES = """\
import json
from pathlib import Path

def note(**said):
    with Path("HERE/notes").open("a") as file:
        file.write(json.dumps(said) + "\\n")
"""
ROUTES = """\
events: {path: /events}
pipelines:
  images:
    filters: [{exact: {type: images.arrived}}]
    steps:
      - {function: probe}
      - {function: resize, each: $.files, concurrency: 2, delivery: {retry: 1, backoffDelay: PT1H}}
      - {parallel: [webp, avif]}
      - {function: report}
"""
FILES = {
    "routes.yaml": ROUTES,
    "functions/probe.py": """\
        async def handle(body: dict) -> dict:
            return {"files": [{"name": name, "size": len(name)} for name in body["names"]]}
        """,
    "functions/resize.py": """\
        from pathlib import Path
        from bff import Context
        from ._notes import note
        async def handle(ctx: Context, body: dict) -> dict:
            note(resized=body["name"], attempt=ctx.request.headers["bff-attempt"])
            if body["name"] == "broken" and not Path("HERE/mended").exists():
                raise RuntimeError("broken")
            return {"name": body["name"] + ".small"}
        """,
    "functions/webp.py": """\
        async def handle(body: list[dict]) -> list:
            return [each["name"] + ".webp" for each in body]
        """,
    "functions/avif.py": """\
        async def handle(body: list[dict]) -> list:
            return [each["name"] + ".avif" for each in body]
        """,
    "functions/report.py": """\
        from typing import Annotated
        from bff import Body
        from ._notes import note
        async def handle(body: Annotated[list, Body()]) -> dict:
            note(report=body)
            return {"made": body}
        """,
}


@pytest.fixture
def folder(write_project: Write, tmp_path: Path) -> Path:
    files = {**FILES, "functions/_notes.py": NOTES}
    return write_project({name: text.replace("HERE", str(tmp_path)) for name, text in files.items()})


def notes(folder: Path) -> list[dict[str, Any]]:
    file = folder / "notes"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


async def begin(page: AsyncClient, *names: str) -> str:
    attributes = {
        "id": "-".join(names) or "none",
        "source": "/t",
        "type": "images.arrived",
        "specversion": "1.0",
    }
    headers = {f"ce-{name}": value for name, value in attributes.items()}
    answer = await page.post("/events", json={"names": names}, headers=headers)
    (told,) = answer.json()["events"]
    return str(told["key"])


async def test_each_step_gets_what_the_one_before_answered(folder: Path) -> None:
    """A list fans out and is joined in its order; functions beside each other get the same."""
    async with client(folder) as page:
        await begin(page, "a", "b", "c")
        await page.deliver()
    (report,) = [note["report"] for note in notes(folder) if "report" in note]
    names = ["a.small", "b.small", "c.small"]
    assert report == [[f"{name}.webp" for name in names], [f"{name}.avif" for name in names]]


async def test_a_list_without_items_is_joined_at_once(folder: Path) -> None:
    async with client(folder) as page:
        await begin(page)
        await page.deliver()
    assert notes(folder) == [{"report": [[], []]}]


async def test_a_step_that_fails_is_tried_again_and_nothing_before_it(folder: Path) -> None:
    """An hour later by a clock that leaps; then the run goes on."""
    async with client(folder, clock=ManualClock()) as page:
        await begin(page, "a", "broken")
        await page.deliver(within=60)
        assert [note for note in notes(folder) if "report" in note] == []
        (folder / "mended").touch()
        await page.deliver()
    said = Counter(note.get("resized") for note in notes(folder))
    assert (said["a"], said["broken"]) == (1, 2)
    assert notes(folder)[-1]["report"][0] == ["a.small.webp", "broken.small.webp"]


async def test_a_run_goes_on_from_its_failed_step(folder: Path) -> None:
    """A dead part stops the run until it is resumed, and then only that part is run. Its event sent again is the same
    run.
    """
    from bff.events.stages import Stages
    from bff.testing.inprocess import inside

    (folder / "routes.yaml").write_text(ROUTES.replace("PT1H", "PT0S"))
    async with inside(folder) as way, AsyncClient(way) as page:
        events = way._house.events
        assert events is not None
        stages = Stages(events)
        names = [f"n{number:02}" for number in range(5)]
        key = await begin(page, *names, "broken")
        await page.deliver()
        assert await begin(page, *names, "broken") == key
        await page.deliver()
        run = await stages.show(key)
        assert (run["state"], run["step"], run["done"], run["total"]) == ("failed", 1, 5, 6)
        assert run["why"] == "step 1: Function resize raised an error."
        (folder / "mended").touch()
        before = len(notes(folder))
        assert await stages.resume(key) == 1
        await page.deliver()
        run = await stages.show(key)
        assert run["answer"]["made"][0][-1] == "broken.small.webp"
        assert [note.get("resized") for note in notes(folder)[before:]] == ["broken", None]
        resized = Counter(note["resized"] for note in notes(folder) if "resized" in note)
        assert {resized[name] for name in names} == {1}
        assert [each["state"] for each in run["parts"]] == ["delivered"] * len(run["parts"])
        (listed,) = await stages.runs("images", 5)
        assert (listed["key"], listed["state"]) == (key, "succeeded")


async def test_what_cannot_be_handed_on_ends_the_run(folder: Path) -> None:
    """No list where one has to be; an answer that is too large says to hand on a reference."""
    from bff.events.stages import Stages
    from bff.testing.inprocess import inside

    (folder / "functions/probe.py").write_text(
        "async def handle(body: dict) -> dict:\n    return {'files': body['names'], 'much': 'x' * body['size']}\n"
    )
    async with inside(folder) as way:
        events = way._house.events
        assert events is not None
        stages = Stages(events)
        keys = [
            await stages.start("images", {"names": names, "size": size})
            for names, size in ((5, 1), ([], 2**21))
        ]
        await way.deliver(60)
        async with asyncio.timeout(60):
            ends = [await stages.show(key) for key in keys]
        assert [end["state"] for end in ends] == ["failed", "failed"]
        assert "has no list at $.files" in ends[0]["why"]
        assert "write it to a file or a service" in ends[1]["why"]
        assert ends[1]["parts"][0]["attempts"] == 1
        assert await stages.cancel(keys[0]) == 0


async def test_a_part_that_is_touched_by_itself_leaves_its_run_whole(folder: Path) -> None:
    """What a run needs is not purged; a part that is cancelled fails its run, one that begins anew lets it go on, and with
    one that is thrown away the run goes, all of it.
    """
    from bff.events.operating import Operating
    from bff.events.stages import Stages
    from bff.testing.inprocess import inside

    async with inside(folder, clock=ManualClock()) as way, AsyncClient(way) as page:
        events = way._house.events
        assert events is not None
        stages, operating = Stages(events), Operating(events)
        key = await begin(page, "a", "broken")
        await page.deliver(within=60)  # an attempt of the broken one has failed, the next one is an hour away
        assert await operating.purge("delivered") == 0
        waiting = (await stages.show(key))["parts"][-1]
        assert await operating.cancel(waiting["key"].rpartition(".")[0]) == 1
        run = await stages.show(key)
        assert (run["state"], run["why"]) == ("failed", "step 1: a part of it was cancelled")
        assert await operating.purge("delivered") == 0
        assert await operating.redrive(waiting["key"].rpartition(".")[0]) == 1
        assert (await stages.show(key))["state"] == "running"
        assert await operating.purge("dead") == 0
        await page.deliver()
        assert (await stages.show(key))["state"] == "failed"
        (folder / "mended").touch()
        assert await operating.redrive(trigger=waiting["trigger"]) == 1
        await page.deliver()
        assert (await stages.show(key))["state"] == "succeeded"
        (folder / "mended").unlink()
        other = await begin(page, "b", "broken")
        await page.deliver()
        assert (
            await operating.purge("dead") == 4
        )  # its beginning, the first step and both parts of the second
        assert {each["key"] for each in await stages.runs("images", 5)} == {key}, other
