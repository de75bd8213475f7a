"""``bff diff``: what differs between two revisions: files, settings, what the handler takes and gives."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bff.cli.gateway import asking, function_path
from bff.cli.output import show, tell


def diff(name: str, before: str, after: str, *, admin: str, config: Path, as_json: bool) -> None:
    """Print it as unified diffs, and then what else differs."""
    with asking(admin, config, as_json=as_json) as gateway:
        found = gateway.get(function_path(name, "diff"), **{"from": before, "to": after}).value
    if as_json:
        show(found)
    else:
        tell("\n".join(_lines(found)))


def _lines(found: dict[str, Any]) -> Iterator[str]:
    if found["same"]:
        yield f"{found['from']} and {found['to']} are the same"
        return
    for file in found["files"]:
        yield file["diff"] if file["diff"] is not None else f"{file['path']}: {file['change']}"
    for change in found["settings"]:
        yield f"setting {change}"
    for change in found["handler"]["changes"]:
        yield f"handler: {change}"
    if found["handler"]["why"]:
        yield f"handler: cannot be compared: {found['handler']['why']}"
