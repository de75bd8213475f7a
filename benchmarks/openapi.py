"""The OpenAPI document of five hundred routes: how long until it is there, the first time and again."""

import asyncio
import time
from pathlib import Path

from benchmarks.figures import Series
from benchmarks.outcome import Effort, Outcome, Table, spread
from benchmarks.projects import names, project
from bff.clock import SystemClock
from bff.config import Config, load
from bff.export.documents import Documents
from bff.gateway import problems
from bff.revisions import snapshot

ROUTES = 500
PAGE = '''"""One page of many."""

from pydantic import BaseModel, Field

from bff import Context


class Item(BaseModel):
    name: str = Field(description="as printed")
    price: float
    tags: list[str] = []


class Page(BaseModel):
    title: str
    items: list[Item]
    notices: list[str] | None = None


async def handle(ctx: Context, page: int = 1, text: str = "") -> Page:
    """What it shows."""
    return Page(title=text, items=[])
'''


def measure(effort: Effort) -> Outcome:
    count = min(ROUTES, effort.many)
    with project(dict.fromkeys(names(count), PAGE)) as path:
        config = load(path)
        both = [asyncio.run(documents(config)) for _ in range(effort.rests)]
    first, again = (Series.of([each[at] for each in both]) for at in (0, 1))
    effort.say(f"  {count} routes: {spread(first, 2)} s, again {spread(again, 2)} s")
    table = Table(
        title=f"OpenAPI of {count} routes",
        head=("what", "s"),
        rows=[
            ("the first time: every function imported and asked, in a process of its own", spread(first, 2)),
            ("again, after routes.yaml has changed: no function is asked twice", spread(again, 2)),
        ],
        note="As many functions as routes, each with two models; median (lowest to highest).",
    )
    return Outcome(
        figures={"openapi.first": first, "openapi.again": again},
        tables=[table],
        rows=[{"benchmark": "openapi", "first": one, "again": other} for one, other in both],
    )


async def documents(config: Config) -> tuple[float, float]:
    """Seconds to the first document, and to the next one of a configuration that says the same."""
    now = [config]

    async def taken(name: str) -> snapshot.Snapshot:
        return snapshot.take(Path(config.folder), name)

    made = Documents(config=lambda: now[0], snapshot=taken, clock=SystemClock(), kinds=problems.of_calls())
    return await timed(made), await timed(made, now)


async def timed(made: Documents, changes: list[Config] | None = None) -> float:
    if changes is not None:
        changes[0] = changes[0].model_copy()
    began = time.perf_counter()
    assert await made.openapi()
    return time.perf_counter() - began
