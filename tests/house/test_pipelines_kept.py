"""What a run keeps: the revisions it began with, where its pipeline is pinned, and answers too large for the store."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from bff.events.records import Sought
from bff.events.stages import Stages
from bff.testing.inprocess import inside as inside_dev
from tests.house.inside import inside

pytestmark = pytest.mark.anyio
Write = Callable[[Mapping[str, str | bytes]], Path]
GATE = """\
import asyncio
from pathlib import Path

async def handle(body: dict) -> dict:
    while not Path("FOLDER/go").exists():
        await asyncio.sleep(0.02)
    return body
"""
STAMP = 'async def handle(body: dict) -> dict:\n    return {"version": VERSION}\n'


async def ended(stages: Stages, key: str) -> dict[str, Any]:
    async with asyncio.timeout(50):
        while True:
            try:
                run = await stages.show(key)
            except Exception:  # its beginning may be a moment away
                run = {"state": "running"}
            if run["state"] != "running":
                return run
            await asyncio.sleep(0.05)


async def test_a_pinned_run_stays_with_the_revisions_it_began_with(tmp_path: Path) -> None:
    """A new revision is deployed while it waits: it goes on with the old one, which has no traffic any more; what begins
    then, and a run that is not pinned, gets the new one.
    """
    steps = "[{function: gate}, {function: stamp}]"
    files = {
        "routes.yaml": f"pipelines: {{kept: {{pinned: true, steps: {steps}}}, free: {{steps: {steps}}}}}\n",
        "functions/gate.py": GATE.replace("FOLDER", str(tmp_path)),
        "functions/stamp.py": STAMP.replace("VERSION", "1"),
    }
    async with inside(tmp_path, files, keeps_state=True) as here:
        stages = here.house.offline.stages()
        assert stages is not None
        async with asyncio.timeout(30):
            while set(here.house.publisher.in_force.states) < {"gate", "stamp"}:
                await asyncio.sleep(0.02)
        kept, free = await stages.start("kept", {}), await stages.start("free", {})
        async with asyncio.timeout(30):
            while [run["step"] for name in ("kept", "free") for run in await stages.runs(name, 1)] != [0, 0]:
                await asyncio.sleep(0.02)
        await here.deploy("stamp", STAMP.replace("VERSION", "2"))
        (tmp_path / "go").touch()
        assert [(await ended(stages, key))["answer"] for key in (kept, free)] == [
            {"version": 1},
            {"version": 2},
        ]
        later = await ended(stages, await stages.start("kept", {}))
        assert later["answer"] == {"version": 2}
        assert {part["function"]: part["tries"][0]["revision"] for part in later["parts"]} == {
            "gate": "gate-00001",
            "stamp": "stamp-00002",
        }


async def test_a_pinned_revision_that_is_gone_ends_the_run(tmp_path: Path) -> None:
    files = {
        "routes.yaml": "pipelines: {kept: {pinned: true, steps: [{function: stamp}]}}\n",
        "functions/stamp.py": STAMP.replace("VERSION", "1"),
    }
    async with inside(tmp_path, files, keeps_state=True) as here:
        stages, events = here.house.offline.stages(), here.house.events
        assert stages is not None
        assert events is not None
        plan = next(iter(events._delivering.plans.values())).replace('"pins":[""]', '"pins":["stamp-00009"]')
        events._delivering.plans = {"kept": plan}
        events._delivering._drawn = lambda _: "stamp-00009"  # type: ignore[method-assign]
        run = await ended(stages, await stages.start("kept", {}))
    assert run["state"] == "failed"
    assert "The run began with stamp-00009, which is kept no longer" in run["why"]


CLAIMS = """\
events: {claims: {folder: claims, max_size: 8MiB}}
pipelines:
  large:
    steps: [{function: list}, {function: part, each: $.items}, {function: relay}, {function: sum}, {function: relay}]
"""


async def test_what_is_too_large_for_the_store_is_handed_on_in_files(
    write_project: Write, tmp_path: Path
) -> None:
    """Lists of it are taken apart and joined, functions get it whole; the store has references only, and with the run its
    files go.
    """
    many = 2**20 + 100
    folder = write_project(
        {
            "routes.yaml": CLAIMS,
            "functions/list.py": f"""\
                async def handle(body: dict) -> dict:
                    return {{"items": [letter * {many} for letter in "ab"]}}
                """,
            "functions/part.py": """\
                from typing import Annotated
                from bff import Body
                async def handle(body: Annotated[str, Body()]) -> str:
                    return body + "!"
                """,
            "functions/relay.py": """\
                from typing import Annotated, Any
                from bff import Body
                async def handle(body: Annotated[Any, Body()]) -> Any:
                    return body
                """,
            "functions/sum.py": """\
                from typing import Annotated
                from bff import Body
                async def handle(body: Annotated[list, Body()]) -> dict:
                    return {"sizes": [len(each) for each in body], "all": "".join(body)}
                """,
        }
    )
    async with inside_dev(folder) as way:
        events = way._house.events
        assert events is not None
        stages = Stages(events)
        key = await stages.start("large", {})
        await way.deliver(60)
        run = await ended(stages, key)
        assert run["state"] == "succeeded", run["why"]
        answer = json.loads((tmp_path / "claims" / run["answer"]["dataref"]).read_bytes())
        assert (answer["sizes"], len(answer["all"])) == ([many + 1] * 2, 2 * many + 2)
        for kept, _ in await events.engine.list(Sought()):
            shown = await events.engine.status(kept.key)
            assert shown is not None
            assert len(shown.event.document) < 1000
        files = list((tmp_path / "claims").iterdir())
        assert len(files) >= 6
        claims = events._delivering.claims
        assert claims is not None
        later = way.clock.wall() + 7200
        assert claims.runs(later) == {key}
        assert await events.engine.kept_runs([key, *map(str, range(1200))]) == [key], (
            "however many are asked for"
        )
        claims.remove(claims.runs(way.clock.wall()))
        assert list((tmp_path / "claims").iterdir()) == files, "what is young may be about to be written"
        claims.remove({key})
        assert list((tmp_path / "claims").iterdir()) == []


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ("", "write it to a file or a service"),
        ("events: {claims: {folder: claims, max_size: 1100KiB}}\n", "larger than a step may hand on"),
        ("events: {claims: {folder: functions/list.py}}\n", "cannot be kept"),
    ],
)
async def test_what_cannot_be_kept_fails_the_run_and_says_why(
    write_project: Write, claims: str, why: str
) -> None:
    pipelines = "pipelines: {large: {steps: [{function: list, delivery: {retry: 0}}]}}\n"
    source = "async def handle(body: dict) -> str:\n    return 'x' * 2**21\n"
    folder = write_project({"routes.yaml": claims + pipelines, "functions/list.py": source})
    async with inside_dev(folder) as way:
        events = way._house.events
        assert events is not None
        stages = Stages(events)
        key = await stages.start("large", {})
        await way.deliver(60)
        run = await ended(stages, key)
    assert run["state"] == "failed"
    assert why in run["why"]
