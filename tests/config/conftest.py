"""Real files in a real folder: what every test of this room starts from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from bff.config import Config, ConfigInvalid, Mistake, load

FUNCTIONS = ("home", "files", "render")


class Project:
    """A folder with three functions and whatever routes.yaml a test writes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "routes.yaml"
        for name in FUNCTIONS:
            self.add(f"functions/{name}.py")

    def add(self, name: str, content: str | bytes = "") -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def load(self, text: str | bytes, **environ: str) -> Config:
        self.add("routes.yaml", text)
        return load(self.path, environ=environ)

    def mistakes(self, text: str | bytes, **environ: str) -> list[Mistake]:
        with pytest.raises(ConfigInvalid) as caught:
            self.load(text, **environ)
        return list(caught.value.mistakes)

    def lines(self, text: str | bytes, **environ: str) -> list[str]:
        """The mistakes as printed, without the folder in front."""
        return [str(m).removeprefix(f"{self.folder}/") for m in self.mistakes(text, **environ)]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.fixture
def refuse(project: Project) -> Callable[..., str]:
    """The only mistake of a file, as printed without its place."""

    def only(text: str, environ: Mapping[str, str] | None = None) -> str:
        (line,) = project.lines(text, **(environ or {}))
        return line

    return only
