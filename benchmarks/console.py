"""What the console costs: a page that is watched while a thousand invocations a second end, and its first paint.

A house in a process of its own answers hellos that come by ASGI, evenly over some seconds, with and without somebody who
watches a page; this file run as a program is that process. The paint is Chromium's own, of a gateway that serves.
"""

import asyncio
import io
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.figures import Series, paired_differences
from benchmarks.observing import HELLO, receive, scope, send
from benchmarks.outcome import Effort, Outcome, Table, spread
from benchmarks.servers import ROOT, BenchmarkError

Send = Callable[[Mapping[str, Any]], Awaitable[None]]
STREAMED = 1000
"""Invocations a second."""
PAGES = ("/console", "/console/functions", "/console/functions/hello", "/console/invocations")
ROUTES = "functions: {hello: {}}\nroutes: [{path: /hello, function: hello}]\n"


def project(folder: str) -> None:
    Path(folder, "routes.yaml").write_text(ROUTES, "utf-8")
    Path(folder, "functions").mkdir()
    Path(folder, "functions", "hello.py").write_text(HELLO, "utf-8")


def run(page: str, seconds: int) -> float:
    """Percent of a core that a process takes while somebody watches the page; nobody does where it is empty."""
    with tempfile.TemporaryDirectory() as folder:
        project(folder)
        command = [sys.executable, "-m", "benchmarks.console", folder, page, str(seconds)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        raise BenchmarkError(done.stderr)
    return float(json.loads(done.stdout.splitlines()[-1]))


def paints(page: str, rounds: int) -> list[float]:
    """Milliseconds to the first contentful paint, each in a fresh profile, so that nothing is kept."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    if chromium is None:
        raise BenchmarkError("there is no chromium: apt-get install chromium")
    found = []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        project(folder)
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        with served(folder) as admin:
            for _ in range(rounds + 1):
                context = browser.new_context(viewport={"width": 1280, "height": 800})
                tab = context.new_page()
                tab.goto(f"{admin}{page}")
                found.append(painted(tab))
                context.close()
        browser.close()
    return found[1:]  # the first one imports the console


def painted(tab: Any) -> float:
    """When it was. Asked for from outside: the page's policy lets no text be run."""
    for _ in range(200):
        entries = tab.evaluate("performance.getEntriesByName('first-contentful-paint').map(e => e.startTime)")
        if entries:
            return float(entries[0])
        time.sleep(0.02)
    raise BenchmarkError("nothing was painted")


@contextmanager
def served(folder: str) -> Iterator[str]:
    """A gateway, by the address of its admin listener."""
    options = (
        "--config",
        str(Path(folder, "routes.yaml")),
        "--port",
        "0",
        "--admin",
        "127.0.0.1:0",
        "--json",
    )
    command = [sys.executable, "-m", "bff.cli", "serve", *options]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield next(json.loads(line)["admin"] for line in process.stdout if '"admin":"http' in line)
        finally:
            process.terminate()
            process.stdout.read()


def measure(effort: Effort) -> Outcome:
    seconds, rounds = (2, 1) if effort.is_quick else (5, max(3, effort.rounds))
    spent: dict[str, list[float]] = {page: [] for page in ("", *PAGES)}
    for _ in range(rounds):
        for page, values in spent.items():
            values.append(run(page, seconds))
    watched = {page: paired_differences(spent[page], spent[""]) for page in PAGES}
    painted = {page: Series.of(paints(page, 2 if effort.is_quick else 8)) for page in PAGES}
    rows = [(f"{page} watched, % of a core", spread(series, 2)) for page, series in watched.items()]
    rows += [(f"{page}, first paint in ms", spread(series, 0)) for page, series in painted.items()]
    for what, said in rows:
        effort.say(f"  {what}: {said}")
    return Outcome(
        figures={
            "console.watched": max(watched.values(), key=lambda series: series.median),
            "console.paint": max(painted.values(), key=lambda series: series.median),
        },
        tables=[
            Table(
                title="The console",
                head=("what", "measured"),
                rows=rows,
                note=f"{STREAMED:,} invocations a second for {seconds} s, CPU of the process with one watcher less that"
                " without; median (lowest to highest). Paints in Chromium with an empty profile, on this machine.",
            )
        ],
        rows=[{"benchmark": "console", "figure": page, "values": values} for page, values in spent.items()],
    )


# What the measured process does.


async def hellos(folder: str, page: str, seconds: int) -> float:
    from bff.app import Options, compose
    from bff.config import load
    from bff.telemetry.lines import open_lines

    random.seed(7)
    lines = open_lines(format="json", level="info", stream=io.StringIO())
    async with compose(load(Path(folder, "routes.yaml")), Options(lines=lines)) as house:
        await paced(house, 1)
        watching = asyncio.create_task(watch(house, page)) if page else None
        await paced(
            house, 2
        )  # the console is imported, its templates are compiled, what was before is counted
        began = time.process_time()
        await paced(house, seconds)
        spent = time.process_time() - began
        if watching is not None:
            assert not watching.done()
            watching.cancel()
    return 100 * spent / seconds


async def paced(house: Any, seconds: int) -> None:
    """So many hellos in each hundredth of a second."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    for turn in range(seconds * 100):
        for _ in range(STREAMED // 100):
            await house.gateway(scope(), receive, send)
        await asyncio.sleep(max(0.0, began + (turn + 1) / 100 - loop.time()))


async def watch(house: Any, page: str, told: Send = send) -> None:
    """As a browser does; ``told`` gets what it is sent."""
    fields = [(b"host", b"127.0.0.1:8001"), (b"accept", b"text/event-stream")]
    asked = {**scope(), "path": page, "raw_path": page.encode(), "headers": fields}

    async def stay() -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    await house.office.app(asked, stay, told)


if __name__ == "__main__":
    print(json.dumps(asyncio.run(hellos(sys.argv[1], sys.argv[2], int(sys.argv[3])))))
