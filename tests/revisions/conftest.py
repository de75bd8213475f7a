"""Real files in a real folder, and a real loader in the import system."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import Any

import pytest

from bff.errors import FunctionNotLoaded
from bff.revisions import snapshot
from bff.revisions.loader import PREFIX, Loader, Package
from bff.revisions.revision import Revision
from bff.revisions.snapshot import Snapshot


class Folder:
    """A functions folder whose functions can be snapshotted and loaded."""

    def __init__(self, root: Path, loader: Loader) -> None:
        self.root = root
        self.loader = loader
        self.names = 0
        root.mkdir(parents=True, exist_ok=True)

    def write(self, **files: str | bytes) -> Folder:
        """``write(home="…", _shared="…")``: modules, their text dedented."""
        return self.add({f"{name}.py": text for name, text in files.items()})

    def add(self, files: dict[str, str | bytes]) -> Folder:
        for name, content in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else dedent(content).encode())
        return self

    def take(self, function: str = "home", settings: bytes = b"") -> Snapshot:
        return snapshot.take(self.root, function, settings)

    def refused(self, function: str = "home") -> FunctionNotLoaded:
        with pytest.raises(FunctionNotLoaded) as caught:
            self.take(function)
        return caught.value

    def revision(self, function: str = "home") -> Revision:
        self.names += 1
        return Revision(f"{function}-{self.names:05d}", function, self.take(function), 0.0)

    def package(self, function: str = "home", *, real_paths: bool = False) -> Package:
        return self.loader.load(self.revision(function), real_paths=real_paths)

    def module(self, function: str = "home", *, real_paths: bool = False) -> Any:
        return self.package(function, real_paths=real_paths).module()

    def broken(self, function: str = "home", *, real_paths: bool = False) -> FunctionNotLoaded:
        """How loading fails."""
        with pytest.raises(FunctionNotLoaded) as caught:
            self.package(function, real_paths=real_paths)
        return caught.value

    def vanish(self) -> None:
        """Nothing is left on disk."""
        shutil.rmtree(self.root)


def ours() -> list[str]:
    """What of loaded revisions is in sys.modules."""
    return [name for name in sys.modules if name.startswith(PREFIX)]


@pytest.fixture
def loader() -> Iterator[Loader]:
    """A loader; when it is closed, nothing of ours is left in the import system."""
    path, finders = list(sys.path), list(sys.meta_path)
    with Loader() as loader:
        yield loader
    assert ours() == []
    assert (sys.path, sys.meta_path) == (path, finders)


@pytest.fixture
def folder(tmp_path: Path, loader: Loader) -> Iterator[Folder]:
    root = tmp_path / "functions"
    yield Folder(root, loader)
    assert not [path for path in root.rglob("*") if path.name == "__pycache__"], "nothing is written"


@pytest.fixture
def stranger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An installed package called ``friendly``, that tells so."""
    site = tmp_path / "site"
    (site / "friendly").mkdir(parents=True)
    (site / "friendly" / "__init__.py").write_text("WHO = 'installed'")
    monkeypatch.syspath_prepend(str(site))
    yield "friendly"
    sys.modules.pop("friendly", None)


def module_of(package: Package, name: str) -> ModuleType:
    """Another module of a loaded package."""
    return sys.modules[f"{package.name}.{name}"]
