"""What differs between two revisions: their files line by line, their settings, what their handlers take and give.

Pure but for ``describe``, which has to import both.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from bff.admin import catalogue
from bff.admin.describing import CannotDescribe, settings_of
from bff.admin.desk import Describe, Unpack
from bff.admin.shapes import DiffShape, FileDiff, SchemaDiff
from bff.errors import BffError, FunctionNotLoaded
from bff.revisions.snapshot import Snapshot
from bff.revisions.store.records import Published
from bff.revisions.store.store import Store

Side = tuple[Published, Snapshot]

LONGEST_DIFF = 2**20
"""Characters of all diffs together; what comes after is told without its lines."""
LARGEST_TEXT = 256 * 2**10
"""Bytes of a file that is compared line by line: the time grows with the square of the lines."""


async def compared(
    store: Store, unpack: Unpack, describe: Describe, name: str, before: str, after: str
) -> DiffShape:
    """Everything that differs between two revisions that are kept.

    Raises:
        NoSuchRevision: one of them is not.

    """
    kept = [await store.archive(name, each) for each in (before, after)]
    old, new = [(each, await unpack(packed)) for each, packed in kept]
    return await difference(old, new, describe)


async def difference(before: Side, after: Side, describe: Describe) -> DiffShape:
    """Everything that differs."""
    old, new = before[0], after[0]
    is_same = old.digest == new.digest
    return DiffShape(
        function=new.function,
        before=old.name,
        after=new.name,
        same=is_same,
        files=list(_files(before[1].files, after[1].files)),
        settings=list(changes(settings_of(old), settings_of(new))),
        handler=await _handlers(before, after, describe),
    )


def _files(old: Mapping[str, bytes], new: Mapping[str, bytes]) -> Iterator[FileDiff]:
    left = LONGEST_DIFF
    for path in sorted({*old, *new}):
        before, after = old.get(path), new.get(path)
        if before == after:
            continue
        change = "added" if before is None else "removed" if after is None else "changed"
        shown = _lines(path, before or b"", after or b"")
        if shown is not None and len(shown) > left:
            shown = None
        left -= len(shown or "")
        yield FileDiff(path=path, change=change, diff=shown)


def _lines(path: str, before: bytes, after: bytes) -> str | None:
    """A unified diff, or None where one of the two is no text or too long."""
    if max(len(before), len(after)) > LARGEST_TEXT:
        return None
    old, new = catalogue.text(before), catalogue.text(after)
    if old is None or new is None:
        return None
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), f"a/{path}", f"b/{path}", lineterm="")
    return "\n".join(lines)


async def _handlers(before: Side, after: Side, describe: Describe) -> SchemaDiff:
    sides: list[dict[str, Any] | None] = []
    why = ""
    for kept, taken in (before, after):
        try:
            sides.append(await describe(kept, taken))
        except (CannotDescribe, BffError) as error:
            told = error.why if isinstance(error, FunctionNotLoaded) else str(error)
            why = why or f"{kept.name}: {told}"
            sides.append(None)
    old, new = sides
    told_changes = list(changes(old, new)) if old is not None and new is not None else []
    return SchemaDiff(before=old, after=new, changes=told_changes, why=why)


def changes(old: Any, new: Any, at: str = "") -> Iterator[str]:
    """What differs between two JSON values, one sentence for each place."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in [*old, *(each for each in new if each not in old)]:
            place = f"{at}.{key}" if at else str(key)
            if key not in new:
                yield f"{place} is gone"
            elif key not in old:
                yield f"{place} is new: {_told(new[key])}"
            else:
                yield from changes(old[key], new[key], place)
    elif old != new or type(old) is not type(new):
        yield f"{at} was {_told(old)}, is {_told(new)}"


def _told(value: Any) -> str:
    from pydantic_core import to_json

    text = to_json(value).decode()
    return text if len(text) <= 200 else f"{text[:200]}…"
