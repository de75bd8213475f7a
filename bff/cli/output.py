"""How commands speak: answers on standard output, everything about them on standard error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

import typer

from bff.config import Config, ConfigInvalid, load


def say(text: str) -> None:
    """A line for people."""
    typer.echo(text, err=True)


def show(value: Any) -> None:
    """A value for programs."""
    typer.echo(json.dumps(value, indent=2, default=str))


def fail(text: str, *, code: int = 1) -> NoReturn:
    """End the command with one sentence."""
    typer.echo(text, err=True)
    raise typer.Exit(code)


def config_at(path: Path, *, as_json: bool = False) -> Config:
    """The configuration, or the end of the command with every mistake of it."""
    if path.is_dir():
        path = path / "routes.yaml"
    try:
        return load(path)
    except ConfigInvalid as invalid:
        if as_json:
            show({"ok": False, "mistakes": [mistake.as_dict() for mistake in invalid.mistakes]})
            raise typer.Exit(1) from None
        fail("\n".join(str(mistake) for mistake in invalid.mistakes))
