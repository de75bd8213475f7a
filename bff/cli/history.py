"""``bff history``: what happened to a function's traffic, newest first; ``--json`` has the
numbers behind each verdict.
"""

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
    return [moment(entry["at"]), entry["who"], entry["what"], moved, entry["why"]]
