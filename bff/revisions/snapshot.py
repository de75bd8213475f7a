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
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import CodeType

from bff.errors import FunctionNotLoaded
from bff.revisions import closure

MAX_BYTES = 64 * 1024 * 1024
"""Most bytes one snapshot may hold: it lives in memory as long as its revision does."""

_SKIPPED_PREFIXES = (".", "#")
_SKIPPED_SUFFIXES = (".pyc", ".pyo", ".swp", ".swx", "~")


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """The files of one function, by path relative to the functions folder, in ``/`` form.

    ``modules`` maps dotted names below the folder to the file of each, ``folders`` are the dotted names of
    folders without ``__init__.py``, ``watched`` are paths that would change it if they came to be;
    ``waited`` and ``took`` are the seconds it stood in line for the disk and was read, if that was measured;
    ``settings`` is what was frozen with the files.
    Mutable on purpose: ``trees`` holds what was parsed, until the loader has compiled it into ``codes``,
    which is kept so that warming again compiles nothing.
    """

    function: str
    root: Path
    files: Mapping[str, bytes]
    modules: Mapping[str, str]
    folders: frozenset[str]
    watched: frozenset[str]
    digest: str
    trees: dict[str, ast.Module]
    codes: dict[str, CodeType] = field(default_factory=dict)
    waited: float = 0.0
    took: float = 0.0
    settings: bytes = b""

    def is_package(self, module: str) -> bool:
        """Whether a module of the snapshot is a folder."""
        return module in self.folders or self.modules[module].endswith("/__init__.py")

    def source(self, module: str) -> str:
        """A module's text, decoded as Python would."""
        return importlib.util.decode_source(self.files[self.modules[module]])

    def under(self, settings: bytes) -> Snapshot:
        """The same files under other frozen settings."""
        if settings == self.settings:
            return self
        return replace(self, digest=digest_of(self.function, self.files, settings), settings=settings)

    def concerns(self, path: str) -> bool:
        """Whether a change at this path, a file's or a folder's, could make another snapshot."""
        if path in self.files or path in self.watched:
            return True
        inside = f"{path}/"
        if any(each.startswith(inside) for each in self.files):
            return True
        folders = (name for name in (*self.folders, *self.modules) if self.is_package(name))
        return any(path.startswith(f"{name.replace('.', '/')}/") for name in folders)

    def __repr__(self) -> str:
        return f"<Snapshot of {self.function} {self.digest[:12]}: {len(self.files)} files>"


def take(root: Path, function: str, settings: bytes = b"") -> Snapshot:
    """Copy the import closure of ``function`` below the functions folder ``root``.

    ``settings`` is whatever else makes a revision what it is; it enters the digest. Symbolic links are
    followed wherever they lead, since what they lead to is copied; one that leads to a folder it lies in
    is refused, and one that leads nowhere is left out.

    Raises:
        FunctionNotLoaded: a file is missing, unreadable, too large, not Python, or imports local files in
            a way that is refused; with place and remedy.

    """
    return _Taker(root, function).take(settings)


def restore(
    root: Path,
    function: str,
    *,
    files: Mapping[str, bytes],
    modules: Mapping[str, str],
    folders: frozenset[str],
    settings: bytes,
    digest: str,
) -> Snapshot:
    """A snapshot of files that were taken earlier, perhaps elsewhere; nothing on the disk concerns it.

    Raises:
        FunctionNotLoaded: this Python cannot parse them.

    """

    def exists(module: str) -> bool:
        return module in modules or module in folders

    trees = {
        module: _parsed(function, root, module, path, files[path], exists).tree
        for module, path in modules.items()
    }
    return Snapshot(function, root, files, modules, folders, frozenset(), digest, trees, settings=settings)


def digest_of(function: str, files: Mapping[str, bytes], settings: bytes) -> str:
    """What a revision is known by: SHA-256 over its function's name, its settings and its files, in hex."""
    # Every part has its length before it, so that no two different revisions spell the same bytes.
    digest = hashlib.sha256(f"{function}\0{len(settings)}\0".encode() + settings)
    for path in sorted(files):
        digest.update(os.fsencode(path) + f"\0{len(files[path])}\0".encode())
        digest.update(files[path])
    return digest.hexdigest()


def not_python(function: str, place: str, error: SyntaxError) -> FunctionNotLoaded:
    """What Python says of text it cannot compile, with the line it quotes."""
    line = f"{place}:{error.lineno or 1}"
    quoted = f"\n    {error.text.rstrip()}" if error.text else ""
    return FunctionNotLoaded(
        function,
        f"SyntaxError: {error.msg}{quoted}",
        where=f"{line}:{error.offset}" if error.offset else line,
    )


class _Taker:
    """Mutable while it walks: ``files``, ``modules``, ``folders``, ``trees``, ``size``, ``known``."""

    def __init__(self, root: Path, function: str) -> None:
        self._root = root
        self._function = function
        self._files: dict[str, bytes] = {}
        self._modules: dict[str, str] = {}
        self._folders: set[str] = set()
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
            if module not in self._modules and module not in self._folders:
                waiting.extend(self._add(module))
        return Snapshot(
            self._function,
            self._root,
            self._files,
            self._modules,
            frozenset(self._folders),
            frozenset(path for module in self._known for path in _options(module)),
            digest_of(self._function, self._files, settings),
            self._trees,
            settings=settings,
        )

    def _add(self, module: str) -> list[str]:
        """Take one module in and say which local modules must follow."""
        path = self._path_of(module)
        needed: list[str] = []
        if path is None:
            self._folders.add(module)
        else:
            self._modules[module] = path
            needed.extend(self._parse(module, path, self._read(path)))
        if path is None or path.endswith("/__init__.py"):
            needed.extend(self._take_folder(module.replace(".", "/")))
        parent = module.rpartition(".")[0]
        return [*needed, parent] if parent else needed

    def _parse(self, module: str, path: str, source: bytes) -> tuple[str, ...]:
        parsed = _parsed(self._function, self._root, module, path, source, self._exists)
        self._trees[module] = parsed.tree
        return parsed.imports

    def _exists(self, module: str) -> bool:
        return self._path_of(module) is not None or os.path.isdir(self._root / module.replace(".", "/"))

    def _take_folder(self, folder: str) -> Iterator[str]:
        """Every file of a folder: modules imported by name at run time, and data files."""
        for path in self._walk(folder, ()):
            if path.endswith(".py"):
                name = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
                if all(part.isidentifier() for part in name.split(".")):
                    yield name
                    continue
            self._read(path)
            self._note_folders(path.rpartition("/")[0])

    def _note_folders(self, folder: str) -> None:
        """A folder of data alone can be named to importlib.resources too."""
        while folder:
            name = folder.replace("/", ".")
            if all(part.isidentifier() for part in name.split(".")) and self._path_of(name) is None:
                self._folders.add(name)
            folder = folder.rpartition("/")[0]

    def _walk(self, folder: str, above: tuple[str, ...]) -> Iterator[str]:
        real = os.path.realpath(self._root / folder)
        if real in above:
            raise FunctionNotLoaded(
                self._function,
                "is a link to a folder that it lies in",
                where=f"{self._root.name}/{folder}",
                remedy="remove the link",
            )
        try:
            with os.scandir(self._root / folder) as entries:
                listed = sorted(entries, key=lambda each: each.name)
        except OSError as error:
            raise self._unreadable(folder, error) from error
        for entry in listed:
            if _is_leftover(entry.name):
                continue
            path = f"{folder}/{entry.name}"
            try:
                is_folder, is_file = entry.is_dir(), entry.is_file()
            except OSError:  # a link to itself leads nowhere too
                continue
            if is_folder:
                yield from self._walk(path, (*above, real))
            elif is_file:
                yield path

    def _read(self, path: str) -> bytes:
        if path in self._files:
            return self._files[path]
        try:
            with open(self._root / path, "rb") as file:
                self._make_room(path, os.fstat(file.fileno()).st_size)
                content = file.read()
        except OSError as error:
            raise self._unreadable(path, error) from error
        self._make_room(path, len(content))  # it may have grown meanwhile
        self._size += len(content)
        self._files[path] = content
        return content

    def _make_room(self, path: str, size: int) -> None:
        if self._size + size > MAX_BYTES:
            raise FunctionNotLoaded(
                self._function,
                f"its files are larger than {MAX_BYTES // 1024 // 1024} MiB together",
                where=f"{self._root.name}/{path}",
                remedy="keep large data outside of the functions folder and open it by its path",
            )

    def _unreadable(self, path: str, error: OSError) -> FunctionNotLoaded:
        return FunctionNotLoaded(
            self._function, f"cannot be read: {error.strerror or error}", where=f"{self._root.name}/{path}"
        )

    def _path_of(self, module: str) -> str | None:
        """The file of a dotted module below the folder; a folder without ``__init__.py`` has none."""
        if module not in self._known:
            self._known[module] = next(
                (path for path in _options(module) if os.path.isfile(self._root / path)), None
            )
        return self._known[module]


def _parsed(
    function: str, root: Path, module: str, path: str, source: bytes, exists: closure.IsLocal
) -> closure.Parsed:
    place = f"{root.name}/{path}"
    try:
        return closure.parse(
            source,
            filename=str(root / path),
            module=module,
            is_package=path.endswith("/__init__.py"),
            folder=root.name,
            exists=exists,
            is_local=lambda top: _is_local(top, root, exists),
        )
    except SyntaxError as error:
        raise not_python(function, place, error) from error
    except (ValueError, LookupError) as error:  # NUL bytes before Python 3.12; odd encodings
        raise FunctionNotLoaded(function, f"not Python source: {error}", where=f"{place}:1") from error
    except (RecursionError, MemoryError, SystemError) as error:  # CPython says any of deep nesting
        raise FunctionNotLoaded(
            function, "its expressions nest too deeply for Python", where=f"{place}:1"
        ) from error
    except closure.ImportRefused as error:
        raise FunctionNotLoaded(
            function, str(error), where=f"{place}:{error.line}", remedy=error.remedy
        ) from error


def _is_local(top: str, root: Path, exists: closure.IsLocal) -> bool:
    """Local is what the folder has, unless Python itself or an installed package has that name too:
    the folder is not on ``sys.path``, so there the installed one would win. Names that begin with
    ``_`` are shared code and always mean the folder's; the folder's own name means the folder.
    """
    if top == root.name and not exists(top):
        return not _is_installed(top, root)
    return exists(top) and (top.startswith("_") or not _is_installed(top, root))


def _is_leftover(name: str) -> bool:
    """Whether a file or folder is hidden, or something that editors and Python leave behind."""
    return name.startswith(_SKIPPED_PREFIXES) or name == "__pycache__" or name.endswith(_SKIPPED_SUFFIXES)


def _options(module: str) -> tuple[str, str]:
    """Where Python would look for a module, in its order."""
    base = module.replace(".", "/")
    return f"{base}/__init__.py", f"{base}.py"


def _is_installed(top: str, root: Path) -> bool:
    """Whether an import finds that name elsewhere than in the functions folder itself, which may well be
    on ``sys.path`` where tests run. A folder in the working directory that happens to be called like the
    functions folder is no package.
    """
    if top in sys.stdlib_module_names:
        return True
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return False
    if spec is None:
        return False
    if spec.origin is None and top == root.name:
        return False
    places = [spec.origin] if spec.has_location and spec.origin else spec.submodule_search_locations or ()
    own = root.resolve()
    return not places or not all(Path(place).resolve().is_relative_to(own) for place in places)
