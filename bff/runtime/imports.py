"""Which modules ran while a function was loaded, and what each cost: a tree of :class:`~bff.measured.Imported`.

The loader, first of all finders, asks it for every module that its own thread imports while it watches, and
gets one with a stopwatch around it; when a module runs it has the loader it would have had. Modules that were there before cost nothing and do
not appear: that is how a first warm-up and a later one differ.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import inspect
import sys
import threading
from collections.abc import Callable, Sequence
from types import FrameType, ModuleType
from typing import Any

from bff.measured import Imported
from bff.revisions.loader import PREFIX, Loader


class _Running:
    """One module while it is measured. ``excluded`` was spent below it, on something else than importing."""

    __slots__ = ("children", "elapsed", "excluded", "is_own", "line", "name")

    def __init__(self, name: str, *, is_own: bool, line: int) -> None:
        self.name = name
        self.is_own = is_own
        self.line = line
        self.elapsed = 0.0
        self.excluded = 0.0
        self.children: list[_Running] = []

    def frozen(self) -> Imported:
        """What was measured."""
        return Imported(
            name=self.name,
            cumulative=max(0.0, self.elapsed - self.excluded),
            is_own=self.is_own,
            line=self.line,
            children=tuple(child.frozen() for child in self.children),
        )


class ImportWatch(importlib.abc.MetaPathFinder):
    """``with ImportWatch(now, loader) as watch: …``, and then ``watch.tree()``. ``compiling`` are the seconds it took
    to compile the function's own modules, which the tree leaves out.

    Mutable state: ``compiling``, ``_stack`` (the modules that run now, outermost first), ``_thread``,
    ``_is_looking``.
    """

    def __init__(self, now: Callable[[], float], loader: Loader) -> None:
        self.compiling = 0.0
        self._loader = loader
        self._now = now
        self._root = _Running("", is_own=True, line=0)
        self._stack = [self._root]
        self._thread = 0
        self._is_looking = False

    def __enter__(self) -> ImportWatch:
        self._thread = threading.get_ident()
        self._loader.let_watch(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._thread = 0
        self._loader.let_watch(None)

    @property
    def is_watching(self) -> bool:
        """Whether what this thread imports now is measured."""
        return threading.get_ident() == self._thread

    def tree(self) -> Imported:
        """What was imported so far, below a root without a name."""
        self._root.elapsed = sum(child.elapsed - child.excluded for child in self._root.children)
        self._root.excluded = 0.0
        return self._root.frozen()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Let the other finders find it, and hand out its loader with a stopwatch."""
        if self._is_looking or not self.is_watching:
            return None
        began = self._now()
        self._is_looking = True
        try:
            spec = self._found(fullname, path, target)
        finally:
            self._is_looking = False
        # A folder without __init__ has no loader, and an old-fashioned one runs nothing by itself.
        if spec is not None and hasattr(spec.loader, "exec_module"):
            module = self._measured(fullname)
            module.elapsed = self._now() - began
            spec.loader = _Timed(spec.loader, self, module)
        return spec

    def _found(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None
    ) -> importlib.machinery.ModuleSpec | None:
        for finder in tuple(sys.meta_path):
            find = getattr(finder, "find_spec", None)
            spec = find(fullname, path, target) if find is not None else None
            if spec is not None:
                return spec  # type: ignore[no-any-return]
        return None

    def _measured(self, fullname: str) -> _Running:
        is_own = fullname.startswith(PREFIX)
        # Not kept in a variable: a frame that knows itself waits for the collector, with all it reaches.
        line = _line_in_own_module(inspect.currentframe()) if self._stack[-1].is_own else 0
        return _Running(fullname.partition(".")[2] if is_own else fullname, is_own=is_own, line=line)

    def creating(self, module: _Running, create: Callable[[], ModuleType | None]) -> ModuleType | None:
        """Make a module: from here on it is in the tree. Some of those in C run as they are made."""
        self._stack[-1].children.append(module)
        made: ModuleType | None = self._timed(module, create)
        return made

    def executing(
        self, module: _Running, compile_it: Callable[[], object] | None, execute: Callable[[], None]
    ) -> None:
        """Run a module's body; an own one is compiled before, on another account."""
        if compile_it is not None:
            began = self._now()
            compile_it()
            took = self._now() - began
            self.compiling += took
            for above in self._stack:
                above.excluded += took
        self._timed(module, execute)

    def _timed(self, module: _Running, run: Callable[[], Any]) -> Any:
        self._stack.append(module)
        began = self._now()
        try:
            return run()
        finally:
            module.elapsed += self._now() - began
            self._stack.pop()


class _Timed(importlib.abc.Loader):
    """Stands in for a loader until the module runs. Whatever else it is asked for, the loader itself answers."""

    def __init__(self, loader: Any, watch: ImportWatch, module: _Running) -> None:
        self._loader = loader
        self._watch = watch
        self._module = module

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        is_ours = spec.loader is self  # importlib.util.LazyLoader stands before us
        if is_ours:
            spec.loader = self._loader
        try:
            if not self._watch.is_watching:
                return self._create(spec)
            return self._watch.creating(self._module, lambda: self._create(spec))
        finally:
            if is_ours:
                spec.loader = self

    def _create(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        create = getattr(self._loader, "create_module", None)
        made: ModuleType | None = create(spec) if create is not None else None
        return made

    def exec_module(self, module: ModuleType) -> None:
        spec = module.__spec__
        if spec is not None and spec.loader is self:
            spec.loader = self._loader
        if getattr(module, "__loader__", None) is self:
            module.__loader__ = self._loader

        def execute() -> None:
            self._loader.exec_module(module)

        if not self._watch.is_watching:
            execute()
            return
        has_code = self._module.is_own and spec is not None and spec.has_location
        compile_it = (lambda: self._loader.get_code(module.__name__)) if has_code else None
        self._watch.executing(self._module, compile_it, execute)


def _line_in_own_module(frame: FrameType | None) -> int:
    """The line of the function's own code that asks for an import, past the import system's own frames."""
    while frame is not None:
        if str(frame.f_globals.get("__name__", "")).startswith(PREFIX):
            return frame.f_lineno
        frame = frame.f_back
    return 0
