"""What functions say of themselves, found out in a process of its own: a gateway that serves a document must
not import what nobody has called, nor wait for a module that hangs.

``python -m bff.export.describing`` reads subjects as JSON from standard input and writes what was found to
standard output.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gc
import json
import os
import sys
import threading
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from pydantic_core import to_json

from bff.clock import Clock, Expiry
from bff.errors import FunctionNotLoaded
from bff.frozen import frozen
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
DONE = b"done\n"
"""The last line of a process that came to its end: a module may end it before, with any exit code."""


@frozen
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


def describe_all(subjects: Iterable[Subject], *, patience: float = PATIENCE) -> Iterator[tuple[str, Found]]:
    """Import each function here, and ask it; nothing of it stays but, if it hangs, its thread."""
    with Loader() as loader:
        for subject in subjects:
            found: dict[tuple[str, Parameters], Described] = {}
            # A daemon: a module that never ends cannot be killed, and must not hold up the others.
            thread = threading.Thread(target=_describe, args=(subject, loader, found), daemon=True)
            thread.start()
            thread.join(patience)
            yield subject.snapshot.function, dict(found)


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
    """Asks processes of its own, and remembers what they said of each revision. Mutable state: ``_known``."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._known: dict[tuple[str, frozenset[Parameters]], Found] = {}

    async def describe(self, subjects: AsyncIterator[Subject], *, count: int) -> Found:
        """What every one of them says; only those that are new are looked at. ``count``: how many will come.

        Raises:
            TimeoutError: it took longer than all of them together may.

        """
        async with Helpers(self._clock) as helpers:
            if not self._known:
                # Before the files are read: a process needs as long to start as five hundred functions to be read.
                await helpers.start(for_so_many=count)
            taken = [subject async for subject in subjects]
            fresh = [subject for subject in taken if subject.key not in self._known]
            if fresh:
                await helpers.start(for_so_many=len(fresh))
                self._keep(fresh, await helpers.ask(fresh))
        wanted = {subject.key for subject in taken}
        self._known = {key: found for key, found in self._known.items() if key in wanted}
        return {key: said for found in self._known.values() for key, said in found.items()}

    def _keep(self, fresh: Iterable[Subject], found: Found) -> None:
        said: dict[str, dict[tuple[str, Parameters], Described]] = {}
        for key, each in found.items():
            said.setdefault(key[0], {})[key] = each
        for subject in fresh:
            self._known[subject.key] = said.get(subject.snapshot.function, {})


class Helpers:
    """Processes that import functions; they end with the block. Mutable state: ``_processes``."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._processes: list[Process] = []

    async def __aenter__(self) -> Helpers:
        return self

    async def __aexit__(self, *_: object) -> None:
        for process in self._processes:
            with contextlib.suppress(ProcessLookupError):  # it has ended by itself
                process.kill()
        for process in self._processes:
            await process.wait()

    async def start(self, *, for_so_many: int) -> None:
        """As many as are worth their start: importing is all there is to it, and keeps one core busy each."""
        wanted = min(PROCESSES, 1 + for_so_many // FEW) if for_so_many > 0 else 0
        while len(self._processes) < wanted:
            await self._one_more()

    async def ask(self, subjects: Sequence[Subject]) -> Found:
        """What each of them says; once."""
        shares = len(self._processes)
        try:
            async with asyncio.TaskGroup() as group:
                asked = [
                    group.create_task(self._ask(process, subjects[at::shares]))
                    for at, process in enumerate(tuple(self._processes))
                ]
        except* TimeoutError as late:
            raise TimeoutError("functions took too long to be imported") from late
        return {key: said for each in asked for key, said in each.result().items()}

    async def _ask(self, process: Process, subjects: Sequence[Subject]) -> Found:
        """One that ends a process by being imported is left out, and those after it are asked in another."""
        found: dict[tuple[str, Parameters], Described] = {}
        while subjects:
            with Expiry(self._clock, self._clock.now() + PATIENCE * (1 + len(subjects))):
                text, _ = await process.communicate(packed(subjects))
            told = unpacked(text)
            found |= {key: said for each in told.values() for key, said in each.items()}
            if text.endswith(DONE):
                break
            subjects = [subject for subject in subjects if subject.snapshot.function not in told][1:]
            process = await self._one_more() if subjects else process
        return found

    async def _one_more(self) -> Process:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bff.export.describing"),
            stdin=PIPE,
            stdout=PIPE,
        )
        self._processes.append(process)
        return process


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


def unpacked(text: bytes) -> Mapping[str, Found]:
    """What the process said of each function; of a line that was not finished, nothing."""
    found: dict[str, Found] = {}
    for line in text.removesuffix(DONE).splitlines(keepends=True):
        if line.endswith(b"\n"):
            function, told = json.loads(line)
            found[function] = {(function, tuple(each[0])): Described(**each[1]) for each in told}
    return found


def main() -> None:
    """Standard input to standard output, a line for each function; what modules print goes to standard error."""
    answer = os.dup(1)
    os.dup2(2, 1)
    gc.freeze()  # what is imported by now stays, and is not looked through again and again
    with os.fdopen(answer, "wb") as out:
        for function, found in describe_all(opened(sys.stdin.buffer.read())):
            told = [(parameters, asdict(said)) for (_, parameters), said in found.items()]
            out.write(to_json((function, told)) + b"\n")
            out.flush()  # the next one may end this process
            with contextlib.suppress(Exception):  # a module may have put anything in its place
                sys.stdout.flush()  # the end below does not
        out.write(DONE)
    os._exit(0)  # a module's threads must not hold it


if __name__ == "__main__":
    main()
