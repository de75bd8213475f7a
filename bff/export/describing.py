"""What functions say of themselves, found out in a process of its own: a gateway that serves a document must
not import what nobody has called, nor wait for a module that hangs.

``python -m bff.export.describing`` reads subjects as JSON from standard input and writes what was found to
standard output.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic_core import to_json

from bff.clock import Clock, Expiry
from bff.errors import FunctionNotLoaded
from bff.revisions import archive
from bff.revisions.loader import Loader
from bff.revisions.revision import Revision
from bff.revisions.snapshot import Snapshot
from bff.sdk.describe import Described, describe
from bff.sdk.handler import ContractBroken, find

Parameters = tuple[str, ...]

PATIENCE = 10.0
"""Seconds one function may take to be imported (``warm_up_timeout``'s default)."""
FEW = 50
"""Functions for which another process is not worth its start, a third of a second."""
PROCESSES = min(4, os.cpu_count() or 1)
"""Most processes at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A function's files, and the path parameters of each of its routes."""

    snapshot: Snapshot
    routes: frozenset[Parameters]

    @property
    def key(self) -> tuple[str, frozenset[Parameters]]:
        """What the answer depends on."""
        return self.snapshot.digest, self.routes


Found = Mapping[tuple[str, Parameters], Described]
"""By function and path parameters; who could not be loaded is left out."""


def describe_all(subjects: Iterable[Subject], *, patience: float = PATIENCE) -> Found:
    """Import each function here, and ask it; nothing of it stays but, if it hangs, its thread."""
    found: dict[tuple[str, Parameters], Described] = {}
    with Loader() as loader:
        for subject in subjects:
            # A daemon: a module that never ends cannot be killed, and must not hold up the others.
            thread = threading.Thread(target=_describe, args=(subject, loader, found), daemon=True)
            thread.start()
            thread.join(patience)
        return dict(found)


def _describe(subject: Subject, loader: Loader, found: dict[tuple[str, Parameters], Described]) -> None:
    taken = subject.snapshot
    with contextlib.suppress(FunctionNotLoaded, KeyboardInterrupt, SystemExit):
        package = loader.load(Revision(taken.function, taken.function, taken, 0.0), real_paths=True)
        try:
            module = package.module()
            handler = find(module)
            for parameters in subject.routes:
                with contextlib.suppress(ContractBroken):
                    found[taken.function, parameters] = describe(module, handler, parameters)
        except Exception as error:
            print(f"{taken.function} is not described: {error}", file=sys.stderr)  # noqa: T201
        finally:
            loader.drop(package)


class Describer:
    """Asks a process of its own, and remembers what it said of each revision. Mutable state: ``_known``."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._known: dict[tuple[str, frozenset[Parameters]], Found] = {}

    async def describe(self, subjects: Sequence[Subject]) -> Found:
        """What every one of them says; only those that are new are looked at.

        Raises:
            TimeoutError: it took longer than all of them together may.

        """
        fresh = [subject for subject in subjects if subject.key not in self._known]
        if fresh:
            found = await self._ask(fresh)
            for subject in fresh:
                own = {key: said for key, said in found.items() if key[0] == subject.snapshot.function}
                self._known[subject.key] = own
        wanted = {subject.key for subject in subjects}
        self._known = {key: found for key, found in self._known.items() if key in wanted}
        return {key: said for found in self._known.values() for key, said in found.items()}

    async def _ask(self, subjects: Sequence[Subject]) -> Found:
        """Many at once go to several processes: importing is all there is to it, and keeps one core busy."""
        shares = min(PROCESSES, 1 + len(subjects) // FEW)
        try:
            async with asyncio.TaskGroup() as group:
                asked = [group.create_task(self._ask_one(subjects[at::shares])) for at in range(shares)]
        except* TimeoutError as late:
            raise TimeoutError("functions took too long to be imported") from late
        return {key: said for each in asked for key, said in each.result().items()}

    async def _ask_one(self, subjects: Sequence[Subject]) -> Found:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bff.export.describing"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            with Expiry(self._clock, self._clock.now() + PATIENCE * (1 + len(subjects))):
                said, _ = await process.communicate(packed(subjects))
        finally:
            with contextlib.suppress(ProcessLookupError):  # it has ended by itself
                process.kill()
            await process.wait()
        return unpacked(said)


def packed(subjects: Iterable[Subject]) -> bytes:
    """Subjects as they travel: JSON, each with its files as an archive in base64."""
    told = [
        {
            "root": str(subject.snapshot.root),
            "archive": archive.packed(subject.snapshot),
            "routes": subject.routes,
        }
        for subject in subjects
    ]
    return to_json(told, bytes_mode="base64")


def opened(text: bytes) -> Iterator[Subject]:
    """The subjects again, loaded from memory as revisions are."""
    for raw in json.loads(text):
        with contextlib.suppress(FunctionNotLoaded, archive.ArchiveInvalid):
            taken = archive.unpacked(base64.urlsafe_b64decode(raw["archive"]), Path(raw["root"]))
            yield Subject(snapshot=taken, routes=frozenset(map(tuple, raw["routes"])))


def unpacked(text: bytes) -> Found:
    """What the process said; nothing, if it ended without a word."""
    return {
        (each["function"], tuple(each["parameters"])): Described(**each["said"])
        for each in json.loads(text or b"[]")
    }


def main() -> None:
    """Standard input to standard output; what modules print goes to standard error."""
    answer = os.dup(1)
    os.dup2(2, 1)
    found = describe_all(opened(sys.stdin.buffer.read()))
    told = to_json(
        [
            {"function": function, "parameters": parameters, "said": asdict(said)}
            for (function, parameters), said in found.items()
        ]
    )
    with os.fdopen(answer, "wb") as out:
        out.write(told)
    os._exit(0)  # a module's threads must not hold it


if __name__ == "__main__":
    main()
