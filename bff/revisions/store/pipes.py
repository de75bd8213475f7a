"""The bell of a store in a file: each process of the machine has a named pipe beside it, into which the others write a
byte. Nothing is read or polled while nobody rings, and a pipe that nobody reads is one whose process has ended.
"""

from __future__ import annotations

import asyncio
import errno
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from bff.revisions.store.bell import Heard
from bff.revisions.store.database import Session


class Pipes:
    """Immutable. ``folder`` is made when somebody first listens."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._own = f"{os.getpid()}-{secrets.token_hex(4)}"

    def note(self, session: Session) -> None:
        """Nothing: what is not committed cannot be seen yet."""

    def ring(self) -> None:
        """Write a byte to everybody else."""
        with suppress(OSError):  # no folder: nobody listens
            for name in os.listdir(self._folder):
                if name != self._own:
                    _ring(self._folder / name)

    @asynccontextmanager
    async def listening(self, heard: Heard) -> AsyncIterator[None]:
        """Listen at a pipe of our own; where none can be made nothing is heard."""
        path = self._folder / self._own
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.mkfifo(path, 0o600)
            # For writing too: without a writer a pipe is at its end all the time.
            pipe = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            yield
            return

        def emptied() -> None:
            with suppress(BlockingIOError):
                os.read(pipe, 4096)
            heard()

        loop = asyncio.get_running_loop()
        loop.add_reader(pipe, emptied)
        try:
            yield
        finally:
            loop.remove_reader(pipe)
            os.close(pipe)
            path.unlink(missing_ok=True)


def _ring(path: Path) -> None:
    try:
        pipe = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ENXIO:  # its reader was killed
            path.unlink(missing_ok=True)
        return
    try:
        with suppress(OSError):  # it is full: who reads it has been told often enough
            os.write(pipe, b"!")
    finally:
        os.close(pipe)
