"""``bff versions``: the revisions of a function that are kept, newest first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bff.cli.gateway import asking, function_path
from bff.cli.moments import moment
from bff.cli.output import print_table, say, show

COLUMNS = ("revision", "traffic", "tags", "created", "author", "origin", "note")


def versions(name: str, *, admin: str, config: Path, as_json: bool) -> None:
    """Print a table, or the same for programs."""
    with asking(admin, config, as_json=as_json) as gateway:
        kept = gateway.get(function_path(name, "revisions")).value
    if as_json:
        show(kept)
    elif not kept:
        say(f"{name} has no revisions yet; its first call or `bff deploy {name}` makes one")
    else:
        print_table(COLUMNS, map(_row, kept))


def _row(kept: dict[str, Any]) -> list[str]:
    share = f"{kept['percent']} %" if kept["percent"] else ""
    marks = [
        mark for mark, is_so in (("latest", kept["latest"]), ("taken back", kept["taken_back"])) if is_so
    ]
    name = f"{kept['name']} ({', '.join(marks)})" if marks else kept["name"]
    times = moment(kept["created"])
    return [name, share, " ".join(kept["tags"]), times, kept["author"], kept["origin"], kept["note"]]
