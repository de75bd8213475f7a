"""How revisions and traffic are shown: from the store's records to the API's shapes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from bff.admin.describing import settings_of
from bff.admin.shapes import (
    AuditShape,
    FileShape,
    HistoryShape,
    ReleaseShape,
    RevisionShape,
    TokenShape,
    TrafficShape,
    WholeRevisionShape,
)
from bff.revisions.store.records import Audited, Entry, Published, ReleaseState, Token, TrafficState

LARGEST_TEXT = 256 * 2**10
"""Bytes of one file's text that are shown."""
LARGEST_TEXTS = 2**20
"""Bytes of all texts of one revision that are shown."""


def traffic(state: TrafficState) -> TrafficShape:
    """Who gets the calls."""
    return TrafficShape(
        function=state.function,
        version=state.version,
        latest=state.latest or None,
        traffic=state.traffic.block(),
    )


def revision(kept: Published, state: TrafficState) -> RevisionShape:
    """A revision in a listing."""
    return RevisionShape(**_told(kept, state))


def whole(kept: Published, state: TrafficState, files: Mapping[str, bytes]) -> WholeRevisionShape:
    """A revision with everything in it."""
    return WholeRevisionShape(**_told(kept, state), settings=settings_of(kept), files=list(_files(files)))


def _told(kept: Published, state: TrafficState) -> dict[str, Any]:
    own = [t for t in state.traffic.targets if (t.revision or state.latest) == kept.name]
    return {
        "name": kept.name,
        "digest": kept.digest,
        "created": kept.created,
        "author": kept.author,
        "origin": str(kept.origin),
        "note": kept.note,
        "percent": sum(target.percent for target in own),
        "tags": [target.tag for target in own if target.tag],
        "latest": kept.name == state.latest,
        "taken_back": kept.condemned or None,
    }


def _files(files: Mapping[str, bytes]) -> Iterator[FileShape]:
    left = LARGEST_TEXTS
    for path in sorted(files):
        content = files[path]
        shown = text(content) if len(content) <= min(left, LARGEST_TEXT) else None
        left -= len(content) if shown is not None else 0
        yield FileShape(path=path, size=len(content), text=shown)


def text(content: bytes) -> str | None:
    """The bytes as text, if they are any."""
    if b"\0" in content:
        return None
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return None


def history(entries: Iterable[Entry]) -> list[HistoryShape]:
    """What happened."""
    return [HistoryShape.model_validate(entry, from_attributes=True) for entry in entries]


def release(state: ReleaseState) -> ReleaseShape:
    """How far a release has come."""
    told = dict(state.state) if state.state else None
    return ReleaseShape(
        function=state.function, version=state.version, running=is_running(state), release=told
    )


def is_running(state: ReleaseState) -> bool:
    """Whether there is still something to wait for."""
    return state.goes_on


def token(kept: Token) -> TokenShape:
    """A token, without what only its holder knows."""
    return TokenShape(
        id=kept.id, name=kept.name, scopes=sorted(kept.scopes), created=kept.created, used=kept.used or None
    )


def audit(lines: Iterable[Audited]) -> list[AuditShape]:
    """Who wrote what."""
    return [AuditShape.model_validate(line, from_attributes=True) for line in lines]
