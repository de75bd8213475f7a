"""The texts of live revisions, as they were when their snapshots were taken, whatever the disk says now."""

from __future__ import annotations

from collections.abc import Iterable

from bff.runtime.function import Function


def source_of(filename: str, functions: Iterable[Function]) -> str | None:
    """The text of a file as tracebacks name it; None where it is of no function that is warm."""
    for function in functions:
        for live in function.lives.values():
            source = live.instance.package.source_of(filename) if live.instance is not None else None
            if source is not None:
                return source
    return None
