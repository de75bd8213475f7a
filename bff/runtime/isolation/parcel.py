"""A revision and its settings as one frame: files and compiled code as bytes, the rest as JSON."""

from __future__ import annotations

import marshal
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import CodeType
from typing import Any

from pydantic import TypeAdapter

from bff.measured import WarmUp
from bff.revisions.revision import Revision
from bff.revisions.snapshot import Snapshot
from bff.runtime.settings import Settings


@cache
def settings_adapter() -> TypeAdapter[Settings]:
    """Settings as plain data and back; made when first needed, for it takes milliseconds."""
    return TypeAdapter(Settings)


@cache
def warm_up_adapter() -> TypeAdapter[WarmUp]:
    """What a warm-up cost, likewise."""
    return TypeAdapter(WarmUp)


def packed(
    revision: Revision, codes: Mapping[str, CodeType], settings: Settings
) -> tuple[dict[str, Any], bytes]:
    """Head and body of what :func:`unpacked` makes a revision and settings of, in another process."""
    taken = revision.snapshot
    compiled = marshal.dumps(dict(codes))
    head = {
        "name": revision.name,
        "function": revision.function,
        "created": revision.created,
        "root": str(taken.root),
        "digest": taken.digest,
        "modules": dict(taken.modules),
        "folders": sorted(taken.folders),
        "files": [[path, len(content)] for path, content in taken.files.items()],
        "settings": settings_adapter().dump_python(settings),
    }
    return head, b"".join((*taken.files.values(), compiled))


def unpacked(head: Mapping[str, Any], body: bytes) -> tuple[Revision, Settings]:
    """The revision, with all of its code compiled, and the settings."""
    files, at = {}, 0
    for path, size in head["files"]:
        files[path] = body[at : at + size]
        at += size
    taken = Snapshot(
        function=head["function"],
        root=Path(head["root"]),
        files=files,
        modules=head["modules"],
        folders=frozenset(head["folders"]),
        watched=frozenset(),
        digest=head["digest"],
        trees={},
        codes=marshal.loads(body[at:]),  # noqa: S302 - the gateway's own, over a socket that nobody else has
    )
    revision = Revision(head["name"], head["function"], taken, head["created"])
    return revision, settings_adapter().validate_python(head["settings"])
