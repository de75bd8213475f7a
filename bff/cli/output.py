"""How commands speak: answers on standard output, everything about them on standard error.

What callers, services and exceptions wrote comes to the terminal as text, never as a command to it (CWE-150).
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from bff.telemetry import plain

if TYPE_CHECKING:
    from bff.config import Config

PIPED_WIDTH = 240
"""Columns a table may have where no terminal limits it."""


def say(text: str, *, colour: str | None = None) -> None:
    """A line for people, coloured where a terminal shows it."""
    typer.secho(plain.some_lines(text), err=True, fg=colour)


def tell(text: str) -> None:
    """An answer for people, in as many lines as it has."""
    typer.echo(plain.some_lines(text))


def show(value: Any) -> None:
    """A value for programs."""
    typer.echo(as_json_text(value, indent=2))


def as_json_text(value: Any, *, indent: int | None = None) -> str:
    """JSON that a terminal shows as it is."""
    return plain.json_text(json.dumps(value, indent=indent, ensure_ascii=False, default=str))


def fail(text: str, *, code: int = 1, as_json: bool = False) -> NoReturn:
    """End the command with one sentence."""
    if as_json:
        show({"ok": False, "error": text})
    else:
        say(text)
    raise typer.Exit(code)


def config_file(path: Path) -> Path:
    """A routes.yaml, given itself or its folder."""
    # os.path: for a name that no file can have, pathlib raises where this says no.
    return path / "routes.yaml" if os.path.isdir(path) else path


def config_at(path: Path, *, as_json: bool = False) -> Config:
    """The configuration, or the end of the command with every mistake of it."""
    from bff.config import ConfigInvalid, load

    try:
        return load(config_file(path))
    except ConfigInvalid as invalid:
        if as_json:
            show({"ok": False, "mistakes": [mistake.as_dict() for mistake in invalid.mistakes]})
            raise typer.Exit(1) from None
        fail("\n".join(str(mistake) for mistake in invalid.mistakes))


def shown_path(path: Path) -> str:
    """A path as short as it can be written from here."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, err: bool = False) -> None:
    """A table as wide as it needs to be; on a terminal, no wider than that."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(*columns, box=box.SIMPLE_HEAD, pad_edge=False)
    for column in table.columns:
        column.overflow = "fold"
    for row in rows:
        table.add_row(*map(plain.some_lines, row))
    stream = sys.stderr if err else sys.stdout
    # Paths may hold brackets, which are no markup.
    console = Console(
        file=stream,
        width=None if stream.isatty() else PIPED_WIDTH,
        markup=False,
        highlight=False,
        emoji=False,
    )
    console.print(table)
