"""One immutable copy of everything a function's code needs: its file or folder, and the shared files it
imports, as bytes with a digest.

Reading the disk happens here and nowhere else; a snapshot never reads again. Compiling and running it is
the loader's.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bff.errors import FunctionNotLoaded
from bff.revisions import closure

MAX_BYTES = 64 * 1024 * 1024
"""Most bytes one snapshot may hold: it lives in memory as long as its revision does."""

_SKIPPED_SUFFIXES = (".pyc", ".pyo", ".swp", ".swx", "~")


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """The files of one function, by path relative to the functions folder, in ``/`` form.

    ``modules`` maps dotted names below the folder to the file of each; ``trees`` holds what was parsed,
    for the loader to compile once, and is dropped by it.
    """

    function: str
    root: Path
    files: Mapping[str, bytes]
    modules: Mapping[str, str]
    digest: str
    trees: dict[str, ast.Module]

    def is_package(self, module: str) -> bool:
        """Whether a module of the snapshot is a folder with ``__init__.py``."""
        return self.modules[module].endswith("/__init__.py")

    def source(self, module: str) -> str:
        """A module's text, decoded as Python would."""
        return importlib.util.decode_source(self.files[self.modules[module]])

    def __repr__(self) -> str:
        return f"<Snapshot of {self.function} {self.digest[:12]}: {len(self.files)} files>"


def take(root: Path, function: str, settings: bytes = b"") -> Snapshot:
    """Copy the import closure of ``function`` below the functions folder ``root``.

    ``settings`` is whatever else makes a revision what it is; it enters the digest.

    Raises:
        FunctionNotLoaded: a file is missing, unreadable, too large, not Python, or imports local files in
            a way that is refused; with place and remedy.

    """
    return _Taker(root, function).take(settings)


class _Taker:
    """Mutable while it walks: ``files``, ``modules``, ``trees``, ``size``."""

    def __init__(self, root: Path, function: str) -> None:
        self._root = root
        self._function = function
        self._files: dict[str, bytes] = {}
        self._modules: dict[str, str] = {}
        self._trees: dict[str, ast.Module] = {}
        self._size = 0
        self._known: dict[str, str | None] = {}

    def take(self, settings: bytes) -> Snapshot:
        if self._path_of(self._function) is None:
            raise FunctionNotLoaded(
                self._function,
                f"no file {self._root.name}/{self._function}.py or {self._root.name}/{self._function}/__init__.py",
                remedy=f"create it with `bff new {self._function}`",
            )
        waiting = [self._function]
        while waiting:
            module = waiting.pop()
            if module not in self._modules:
                waiting.extend(self._add(module))
        digest = hashlib.sha256(settings)
        for path in sorted(self._files):
            digest.update(f"\0{path}\0{len(self._files[path])}\0".encode())
            digest.update(self._files[path])
        return Snapshot(
            self._function, self._root, self._files, self._modules, digest.hexdigest(), self._trees
        )

    def _add(self, module: str) -> list[str]:
        """Take one module in and say which local modules must follow."""
        path = self._path_of(module)
        assert path is not None
        self._modules[module] = path
        source = self._read(path)
        needed = list(self._parse(module, path, source))
        if path.endswith("/__init__.py"):
            needed.extend(self._take_folder(path.rpartition("/")[0]))
        parent = module.rpartition(".")[0]
        return [*needed, parent] if parent else needed

    def _parse(self, module: str, path: str, source: bytes) -> tuple[str, ...]:
        place = f"{self._root.name}/{path}"
        try:
            parsed = closure.parse(
                source,
                filename=str(self._root / path),
                module=module,
                is_package=path.endswith("/__init__.py"),
                folder=self._root.name,
                exists=lambda name: self._path_of(name) is not None,
                is_local=self._is_local,
            )
        except SyntaxError as error:
            column = f":{error.offset}" if error.offset else ""
            quoted = f"\n    {error.text.rstrip()}" if error.text else ""
            raise FunctionNotLoaded(
                self._function,
                f"SyntaxError: {error.msg}{quoted}",
                where=f"{place}:{error.lineno or 1}{column}",
            ) from error
        except ValueError as error:  # NUL bytes, before Python 3.12
            raise FunctionNotLoaded(
                self._function, f"not Python source: {error}", where=f"{place}:1"
            ) from error
        except closure.ImportRefused as error:
            raise FunctionNotLoaded(
                self._function, str(error), where=f"{place}:{error.line}", remedy=error.remedy
            ) from error
        self._trees[module] = parsed.tree
        return parsed.imports

    def _is_local(self, name: str) -> bool:
        """Local is what the folder has, unless Python itself or an installed package has that name too:
        the folder is not on ``sys.path``, so there the installed one would win.
        """
        if self._path_of(name) is None:
            return False
        top = name.partition(".")[0]
        return top.startswith("_") or top == self._function or not _is_installed(top)

    def _take_folder(self, folder: str) -> Iterator[str]:
        """Every file of a folder function: modules imported by name at run time, and data files."""
        for path in self._walk(folder):
            if path.endswith(".py"):
                name = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
                if all(part.isidentifier() for part in name.split(".")):
                    yield name
                    continue
            self._read(path)

    def _walk(self, folder: str) -> Iterator[str]:
        with os.scandir(self._root / folder) as entries:
            for entry in sorted(entries, key=lambda each: each.name):
                name = entry.name
                if name.startswith(".") or name == "__pycache__" or name.endswith(_SKIPPED_SUFFIXES):
                    continue
                if entry.is_dir():
                    yield from self._walk(f"{folder}/{name}")
                elif entry.is_file():
                    yield f"{folder}/{name}"

    def _read(self, path: str) -> bytes:
        if path in self._files:
            return self._files[path]
        try:
            size = (self._root / path).stat().st_size
            self._size += size
            if self._size > MAX_BYTES:
                raise FunctionNotLoaded(
                    self._function,
                    f"its files are larger than {MAX_BYTES // 1024 // 1024} MiB together",
                    where=f"{self._root.name}/{path}",
                    remedy="keep large data outside of the functions folder and open it by its path",
                )
            content = (self._root / path).read_bytes()
        except OSError as error:
            raise FunctionNotLoaded(
                self._function,
                f"cannot be read: {error.strerror or error}",
                where=f"{self._root.name}/{path}",
            ) from error
        self._files[path] = content
        return content

    def _path_of(self, module: str) -> str | None:
        """The file of a dotted module below the folder; a folder without ``__init__.py`` is none."""
        if module not in self._known:
            base = module.replace(".", "/")
            options = (f"{base}/__init__.py", f"{base}.py")
            self._known[module] = next((p for p in options if (self._root / p).is_file()), None)
        return self._known[module]


def _is_installed(top: str) -> bool:
    if top in sys.stdlib_module_names:
        return True
    try:
        return importlib.util.find_spec(top) is not None
    except (ImportError, ValueError):
        return False
