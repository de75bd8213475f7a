"""Snapshots become modules: under a name of their own per revision, from memory only, and leave no trace.

Each loaded revision is a package ``bff_functions_<digest>``; its modules import each other relatively, so
any number of revisions live side by side. Nothing is read from disk, nothing is written as ``.pyc``,
``sys.path`` is not touched. Module bodies run in whichever thread calls :meth:`Loader.load`; several may.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import re
import sys
import threading
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import CodeType, ModuleType

from bff.errors import FunctionNotLoaded
from bff.revisions.resources import MemoryResources
from bff.revisions.revision import Revision
from bff.revisions.snapshot import Snapshot, not_python
from bff.revisions.traces import erase

PREFIX = "bff_functions_"
MAX_MESSAGE = 2_000
"""Most characters of an exception's own words that a report repeats."""


_VIRTUAL = re.compile(r"([^/@]+)@[0-9a-f]{12}/(.+)")


def place_in(filename: str, folder: Path) -> str | None:
    """``functions/home.py`` for a file that a traceback names, of a function that is loaded in another process: a
    virtual one, or one below the functions' folder.
    """
    virtual = _VIRTUAL.fullmatch(filename)
    if virtual is not None:
        return f"{virtual[1]}/{virtual[2]}"
    above = f"{folder}/"
    return f"{folder.name}/{filename.removeprefix(above)}" if filename.startswith(above) else None


class Package(importlib.abc.InspectLoader):
    """One loaded revision: the import system's loader for all of its modules."""

    def __init__(self, name: str, revision: Revision, *, real_paths: bool) -> None:
        self.name = name
        self.revision = revision
        self._real_paths = real_paths

    @property
    def _snapshot(self) -> Snapshot:
        return self.revision.snapshot

    def _local(self, fullname: str) -> str:
        return fullname[len(self.name) + 1 :]

    def spec(self, fullname: str) -> importlib.machinery.ModuleSpec | None:
        """The spec of one of its modules, or None when the snapshot has no such module."""
        module = self._local(fullname)
        if module in self._snapshot.modules:
            origin = self.get_filename(fullname)
        elif module in self._snapshot.folders:
            origin = None
        else:
            return None
        spec = importlib.machinery.ModuleSpec(
            fullname, self, origin=origin, is_package=self._snapshot.is_package(module)
        )
        spec.has_location = origin is not None
        return spec

    def _path(self, fullname: str) -> str:
        path = self._snapshot.modules.get(self._local(fullname))
        if path is None:
            raise ImportError(f"{fullname} has no source", name=fullname)
        return path

    def get_filename(self, fullname: str) -> str:
        """The path a traceback names: the real one while the text on disk is the same, else a virtual one."""
        path, root = self._path(fullname), self._snapshot.root
        return str(root / path) if self._real_paths else f"{root.name}@{self.revision.digest[:12]}/{path}"

    def get_source(self, fullname: str) -> str:
        """The text as snapshotted; :mod:`linecache` and :mod:`inspect` find it here."""
        self._path(fullname)
        return self._snapshot.source(self._local(fullname))

    def is_package(self, fullname: str) -> bool:
        return self._snapshot.is_package(self._local(fullname))

    def get_code(self, fullname: str) -> CodeType:
        """Compiled once per snapshot and kept, so that warming again after eviction compiles nothing."""
        module, filename = self._local(fullname), self.get_filename(fullname)
        trees, codes = self._snapshot.trees, self._snapshot.codes
        code = codes.get(module)
        if code is None:
            tree = trees.get(module)
            # No tree: another thread, in another instance of this revision, has compiled it just now.
            code = compile(tree, filename, "exec", dont_inherit=True) if tree is not None else codes[module]
        if code.co_filename != filename:
            code = _moved(code, filename)
        codes[module] = code
        trees.pop(module, None)  # only now, so that one of the two is there for every other thread
        return code

    def exec_module(self, module: ModuleType) -> None:
        if self._local(module.__name__) not in self._snapshot.folders:
            exec(self.get_code(module.__name__), vars(module))  # noqa: S102 - running functions is the product

    def get_resource_reader(self, fullname: str) -> MemoryResources:
        """Data files of a folder function, for :func:`importlib.resources.files`."""
        module = self._local(fullname)
        folder = module if self._snapshot.is_package(module) else module.rpartition(".")[0]
        return MemoryResources(self._snapshot.files, folder.replace(".", "/"))

    def filenames(self) -> list[str]:
        """Every path a traceback of this package may name."""
        return [self.get_filename(f"{self.name}.{module}") for module in self._snapshot.modules]

    def source_of(self, filename: str) -> str | None:
        """The text behind a path of :meth:`filenames`, or None when it is no file of ours."""
        for module in self._snapshot.modules:
            if self.get_filename(f"{self.name}.{module}") == filename:
                return self._snapshot.source(module)
        return None

    def place_of(self, fullname: str, filename: str) -> str | None:
        """``functions/home.py`` for code of one of its modules that names ``filename`` as its file."""
        path = self._snapshot.modules.get(self._local(fullname))
        if path is None or filename != self.get_filename(fullname):
            return None
        return f"{self._snapshot.root.name}/{path}"

    def module(self) -> ModuleType:
        """The function's own module.

        Raises:
            KeyError: it is not loaded.

        """
        return sys.modules[f"{self.name}.{self.revision.function}"]

    def __repr__(self) -> str:
        return f"<Package {self.revision.name} as {self.name}>"


class Loader(importlib.abc.MetaPathFinder):
    """Finds modules of loaded revisions for the import system. Install it once, close it once.

    Mutable state: ``_packages`` by package name, ``_watches`` by thread. Any thread may load, import or drop.
    """

    def __init__(self) -> None:
        self._packages: dict[str, Package] = {}
        self._watches: dict[int, importlib.abc.MetaPathFinder] = {}
        self._naming = threading.Lock()

    def __enter__(self) -> Loader:
        sys.meta_path.insert(0, self)
        return self

    def __exit__(self, *_: object) -> None:
        sys.meta_path.remove(self)
        for package in list(self._packages.values()):
            self.drop(package)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Called by the import system for every import; anything that is not ours is left to others."""
        watch = self._watches.get(threading.get_ident()) if self._watches else None
        if watch is not None and (spec := watch.find_spec(fullname, path, target)) is not None:
            return spec
        if not fullname.startswith(PREFIX):
            return None
        package = self._packages.get(fullname.partition(".")[0])
        return package.spec(fullname) if package is not None else None

    def let_watch(self, finder: importlib.abc.MetaPathFinder | None) -> None:
        """Ask this finder first for what the calling thread imports from now on; None ends that.

        It does not stand in ``sys.meta_path`` itself: an import of another thread's that walks the list while
        it is changed would skip whoever comes next.
        """
        if finder is None:
            self._watches.pop(threading.get_ident(), None)
        else:
            self._watches[threading.get_ident()] = finder

    def package_of(self, fullname: str) -> Package | None:
        """The loaded revision a module belongs to; from any thread."""
        return self._packages.get(fullname.partition(".")[0]) if fullname.startswith(PREFIX) else None

    def place_of(self, fullname: str, filename: str) -> str | None:
        """``functions/home.py`` for code of a loaded revision's module that names ``filename`` as its file."""
        package = self.package_of(fullname)
        return None if package is None else package.place_of(fullname, filename)

    def load(self, revision: Revision, *, real_paths: bool = False) -> Package:
        """Run the module bodies of a revision; ``package.module()`` is the function's own module then.

        Raises:
            FunctionNotLoaded: a body raised; with the place in the user's code, the cause and a remedy.

        """
        package = self._open(revision, real_paths=real_paths)
        try:
            importlib.import_module(f"{package.name}.{revision.function}")
        except (KeyboardInterrupt, MemoryError):
            self.drop(package)
            raise
        except BaseException as error:
            failure = explain(error, package)
            self.drop(package)
            raise failure from error
        return package

    @staticmethod
    def compiled(revision: Revision, *, real_paths: bool = False) -> tuple[Package, dict[str, CodeType]]:
        """The code of every module, run nowhere here, and what the revision is loaded as elsewhere.

        Raises:
            FunctionNotLoaded: one of them cannot be compiled; with its place.

        """
        package = Package(f"{PREFIX}{revision.digest[:16]}", revision, real_paths=real_paths)
        try:
            modules = revision.snapshot.modules
            return package, {module: package.get_code(f"{package.name}.{module}") for module in modules}
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise explain(error, package) from error

    def _open(self, revision: Revision, *, real_paths: bool) -> Package:
        base = name = f"{PREFIX}{revision.digest[:16]}"
        copies = 1
        with self._naming:
            while name in self._packages:  # the same revision is still draining under the first name
                copies += 1
                name = f"{base}_{copies}"
            package = self._packages[name] = Package(name, revision, real_paths=real_paths)
        # The package itself stands for the functions folder; it has no code and is never searched for.
        root = ModuleType(name)
        root.__path__ = []
        root.__package__ = name
        sys.modules[name] = root
        return package

    def drop(self, package: Package) -> None:
        """Forget every trace of a loaded revision; compiled code stays for the next warm-up."""
        if self._packages.pop(package.name, None) is None:
            return
        erase(package.name, package.filenames())


def _moved(code: CodeType, filename: str) -> CodeType:
    """The same code under another file name, nested functions and classes included."""
    constants = tuple(
        _moved(each, filename) if isinstance(each, CodeType) else each for each in code.co_consts
    )
    return code.replace(co_filename=filename, co_consts=constants)


def explain(error: BaseException, package: Package) -> FunctionNotLoaded:
    """A load failure in the user's terms: the last line of their own code that was running, and why."""
    taken = package.revision.snapshot
    own = {
        package.get_filename(f"{package.name}.{module}"): f"{taken.root.name}/{path}"
        for module, path in taken.modules.items()
    }
    # What only the compiler refuses, such as a `return` outside of a function, has no frame.
    if isinstance(error, SyntaxError) and error.filename in own:
        return not_python(taken.function, own[error.filename], error)
    where = ""
    for frame, line in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_filename in own:
            where = f"{own[frame.f_code.co_filename]}:{line}"
    # Without our package names: ``bff_functions_3f2a._shared`` is ``_shared`` to its author.
    words = words_of(error).replace(f"{package.name}.", "").replace(package.name, taken.root.name)
    why = f"{type(error).__name__}: {words}" if words else type(error).__name__
    return FunctionNotLoaded(taken.function, why, where=where, remedy=_remedy(error, package))


def words_of(error: BaseException) -> str:
    """What an exception says of itself, fit to be printed whatever its class does."""
    try:
        words = str(error)
    except Exception as failure:
        return f"(its message cannot be shown: {type(failure).__name__})"
    shown = words if len(words) <= MAX_MESSAGE else f"{words[:MAX_MESSAGE]}…"
    return shown.encode("utf-8", "backslashreplace").decode()


def _remedy(error: BaseException, package: Package) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name:
        root = package.revision.snapshot.root.name
        top = error.name.partition(".")[0]
        if top == package.name:
            return f"create the file, or correct the name in {root}/"
        return f"install it (`pip install {top}`), or import local files relatively"
    if isinstance(error, SystemExit):
        return "a function's module must not exit the process"
    return ""
