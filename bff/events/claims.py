"""Answers of steps that are too large for the store: files in a folder, which the next step gets by their key (the claim
check pattern; CloudEvents calls the attribute ``dataref``). All of it blocks, and is called off the loop.

A key is that of the delivery that answered, so that an attempt that is made again writes the same file. Files are
written aside and renamed: nobody ever reads half of one.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bff.events import pipelines
from bff.events.pipelines import Broken, Claim

MOST_INLINE = 2**20
"""Bytes of an answer that are kept in the store itself."""
YOUNG = 3600.0
"""Seconds in which nobody asks whose a file is: its run may be about to be written."""
_KEY = re.compile(r"[0-9a-f]{10,120}-[0-9]{2}(\.[0-9]{5}\.[0-9]+)?(\.in)?")


@dataclass(frozen=True, slots=True)
class Claims:
    """``folder`` is one that every process can reach that works on pipelines; ``most`` is in bytes."""

    folder: Path
    most: int

    def put(self, key: str, body: bytes) -> None:
        """Keep a body; it is on the disk when this returns.

        Raises:
            OSError: it could not be kept.

        """
        path = self._path(key)
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            with open(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)

    def get(self, key: str) -> bytes:
        """What is kept under a key.

        Raises:
            OSError: nothing is, or it cannot be read here.

        """
        return self._path(key).read_bytes()

    def _path(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise OSError(f"{key[:80]} is no key")
        return self.folder / key

    def value(self, data: Any) -> Any:
        """The data of a claim, and anything else as it is.

        Raises:
            Broken: what is claimed is not there.

        """
        if not isinstance(data, Claim):
            return data
        try:
            return pipelines.read_as(data.kind, self.get(data.key))
        except OSError as error:
            raise Broken(
                f"the answer kept as {data.key} cannot be read here: {error.strerror or error}"
            ) from None

    def checked(self, key: str, body: bytes, kind: str) -> Claim:
        """A body that is too large for the store, as a claim.

        Raises:
            Broken: it could not be kept.

        """
        try:
            self.put(key, body)
        except OSError as error:
            raise Broken(f"what it gets cannot be kept: {error.strerror or error}") from None
        return Claim(key=key, kind=kind)

    def runs(self, now: float) -> set[str]:
        """The runs that have files here, but for the youngest ones."""
        found = set()
        with suppress(OSError):
            for path in self.folder.iterdir():
                with suppress(OSError):
                    if path.stat().st_mtime < now - YOUNG:
                        found.add(_run_of(path))
        return found

    def remove(self, runs: Collection[str]) -> None:
        """Remove the files of these runs."""
        with suppress(OSError):
            for path in self.folder.iterdir():
                if _run_of(path) in runs:
                    path.unlink(missing_ok=True)


def _run_of(path: Path) -> str:
    return path.name.lstrip(".").partition("-")[0]
