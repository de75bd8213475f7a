"""``bff history``: what happened to a function's traffic, newest first, with the numbers behind each verdict."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bff.cli.gateway import asking, function_path
from bff.cli.moments import moment, traffic
from bff.cli.output import print_table, say, show

COLUMNS = ("when", "who", "what", "traffic", "why")


def history(name: str, *, limit: int, admin: str, config: Path, as_json: bool) -> None:
    """Print a table, or the same for programs."""
    with asking(admin, config, as_json=as_json) as gateway:
        entries = gateway.get(function_path(name, "history"), limit=limit).value
    if as_json:
        show(entries)
    elif not entries:
        say(f"nothing has happened to {name} yet")
    else:
        print_table(COLUMNS, map(_row, entries))


def _row(entry: dict[str, Any]) -> list[str]:
    moved = f"{traffic(entry['before'])} → {traffic(entry['after'])}" if entry["after"] is not None else ""
    return [moment(entry["at"]), entry["who"], entry["what"], moved, _why(entry)]


def _why(entry: dict[str, Any]) -> str:
    numbers = ", ".join(f"{name} {value}" for name, value in entry["numbers"].items() if _is_plain(value))
    return "\n".join(part for part in (entry["why"], numbers) if part)


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | float)
