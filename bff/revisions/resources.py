"""A snapshot's data files, as :mod:`importlib.resources` wants to read them: from memory."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from importlib.resources.abc import Traversable, TraversableResources
from typing import Any


class MemoryFile(Traversable):
    """A file or folder of a snapshot."""

    def __init__(self, files: Mapping[str, bytes], path: str) -> None:
        self._files = files
        self._path = path

    @property
    def name(self) -> str:
        return self._path.rpartition("/")[2]

    def iterdir(self) -> Iterator[MemoryFile]:
        if not self.is_dir():
            raise NotADirectoryError(f"the revision's snapshot has no folder {self._path}")
        prefix = f"{self._path}/"
        names = {path[len(prefix) :].partition("/")[0] for path in self._files if path.startswith(prefix)}
        for name in sorted(names):
            yield MemoryFile(self._files, prefix + name)

    def is_dir(self) -> bool:
        return any(path.startswith(f"{self._path}/") for path in self._files)

    def is_file(self) -> bool:
        return self._path in self._files

    def joinpath(self, *descendants: Any) -> MemoryFile:
        parts = [part for each in descendants for part in str(each).split("/") if part not in ("", ".")]
        return MemoryFile(self._files, "/".join([self._path, *parts]))

    __truediv__ = joinpath

    def read_bytes(self) -> bytes:
        try:
            return self._files[self._path]
        except KeyError:
            raise FileNotFoundError(f"the revision's snapshot has no file {self._path}") from None

    def read_text(self, encoding: str | None = None, errors: str | None = None) -> str:
        return self.read_bytes().decode(encoding or "utf-8", errors or "strict")

    def open(self, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        if set(mode) - set("rbt"):
            raise PermissionError(f"a revision never changes: {self._path} cannot be opened with {mode!r}")
        content = io.BytesIO(self.read_bytes())
        if "b" in mode:
            return content
        if not args:
            kwargs.setdefault("encoding", "utf-8")
        return io.TextIOWrapper(content, *args, **kwargs)

    def __repr__(self) -> str:
        return f"<MemoryFile {self._path}>"


class MemoryResources(TraversableResources):
    """The resources of one package of a snapshot."""

    def __init__(self, files: Mapping[str, bytes], folder: str) -> None:
        self._root = MemoryFile(files, folder)

    def files(self) -> MemoryFile:
        return self._root
