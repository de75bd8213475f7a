"""Save a file, ask again: how long until the changed answer is there, while developing."""

import http.client
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from benchmarks import catalogue as who
from benchmarks.figures import Series
from benchmarks.outcome import Effort, Outcome, Table, spread
from benchmarks.servers import LOAD_CORE, Running, Server, on_core, running

POLL = 0.001
PATIENCE = 20.0
# Longer than a watcher's own grouping of changes, and uneven, so that no edit falls in step with it.
PAUSE = (0.3, 0.6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    server: str
    saved: str
    milliseconds: float
    refused: int  # polls met by a closed connection or a status other than 200
    reconnected: int


class Poller:
    """Asks one path over one kept connection; reconnects, and counts it, when the server hangs up."""

    def __init__(self, run: Running) -> None:
        self._run = run
        self._connection = http.client.HTTPConnection("127.0.0.1", run.port, timeout=PATIENCE)
        self.refused = 0  # all that changes: these two, and the connection's own state
        self.reconnected = 0

    def answer(self) -> object:
        try:
            self._connection.request("GET", self._run.server.path)
            response = self._connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            self.refused += 1
            self.reconnected += 1
            return None
        if response.status != 200:
            self.refused += 1
            return None
        return json.loads(body)

    def close(self) -> None:
        self._connection.close()


def by_rename(file: Path, text: str) -> None:
    """As careful editors save: a whole new file takes the name over."""
    fresh = file.with_name(f".{file.name}.tmp")
    fresh.write_text(text)
    fresh.replace(file)


def in_place(file: Path, text: str) -> None:
    """As simple editors save: the file is emptied and written again."""
    file.write_text(text)


SAVES: dict[str, Callable[[Path, str], None]] = {"rename": by_rename, "in_place": in_place}


def measure(effort: Effort) -> Outcome:
    ours = gateway_edits(effort)
    theirs = fastapi_edits(effort)
    return Outcome(
        figures={f"edit.{saved}": series(ours, saved) for saved in SAVES},
        tables=[table([ours, theirs], effort)],
        rows=[{"benchmark": "edit", **_row(edit)} for edit in (*ours, *theirs)],
    )


def gateway_edits(effort: Effort) -> list[Edit]:
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "project"
        shutil.copytree(who.PROJECTS / "equipped", project, ignore=shutil.ignore_patterns(".bff", "__*"))
        server = who.gateway("bff dev", project / "routes.yaml", command="dev", expected=who.HELLO)
        return edits(replace(server, cwd=project), project / "functions" / "hello.py", effort)


def fastapi_edits(effort: Effort) -> list[Edit]:
    with tempfile.TemporaryDirectory() as folder:
        app = Path(folder) / "fastapi_hello.py"
        shutil.copy(who.PEER_APPS / app.name, app)
        serve = (sys.executable, "-m", "uvicorn", "--reload", "fastapi_hello:app", "--log-level", "warning")
        where = ("--host", "127.0.0.1", "--port", "{port}", "--no-access-log")
        server = Server(
            name="FastAPI on uvicorn --reload", argv=(*serve, *where), cwd=app.parent, expected=who.HELLO
        )
        return edits(server, app, effort)


def edits(server: Server, file: Path, effort: Effort) -> list[Edit]:
    """Each kind of save in turn, the greeting changed every time."""
    original, pause, found = file.read_text(), Random(7), list[Edit]()
    with on_core(LOAD_CORE), running(server) as run:
        time.sleep(1)  # the watcher settles
        for number in range(effort.edits):
            for saved in SAVES:
                time.sleep(pause.uniform(*PAUSE))
                word = f"world-{number}-{saved}"
                found.append(one_edit(run, file, original.replace("world", word), word, saved))
    for saved in SAVES:
        effort.say(f"  {server.name}, saved {saved}: {spread(series(found, saved))} ms")
    return found


def one_edit(run: Running, file: Path, text: str, word: str, saved: str) -> Edit:
    """From just before the save until the changed answer is read."""
    poller = Poller(run)
    poller.answer()  # the connection is open before the clock runs
    began = time.perf_counter()
    SAVES[saved](file, text)
    try:
        while poller.answer() != {"hello": word}:
            if time.perf_counter() - began > PATIENCE:
                raise run.failed(f"did not show the edit within {PATIENCE:.0f} s")
            time.sleep(POLL)
        took = 1000 * (time.perf_counter() - began)
    finally:
        poller.close()
    return Edit(
        server=run.server.name,
        saved=saved,
        milliseconds=took,
        refused=poller.refused,
        reconnected=poller.reconnected,
    )


def series(found: list[Edit], saved: str) -> Series:
    return Series.of([edit.milliseconds for edit in found if edit.saved == saved])


def _row(edit: Edit) -> dict[str, object]:
    return {name: getattr(edit, name) for name in Edit.__slots__}


def table(contenders: list[list[Edit]], effort: Effort) -> Table:
    return Table(
        title="Edit → first correct answer",
        head=("server", "saved by rename, ms", "saved in place, ms", "refused polls", "reconnections"),
        rows=[
            (
                found[0].server,
                *(spread(series(found, saved)) for saved in SAVES),
                str(sum(edit.refused for edit in found)),
                str(sum(edit.reconnected for edit in found)),
            )
            for found in contenders
        ],
        note=f"{effort.edits} edits each way, a poll every millisecond over one kept connection;"
        " median (lowest to highest).",
    )
