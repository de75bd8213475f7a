"""Who changed what through the admin listener: a log line for each, and a record in the store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from bff.errors import BffError
from bff.signals import AdminWrite, Signals

LONGEST = 500
"""Characters of one value that are kept."""


class AuditBook(Protocol):
    """Where the records are kept: the store."""

    async def audit(
        self, *, who: str, what: str, target: str, status: int, detail: Mapping[str, Any]
    ) -> None:
        """Keep one."""


class Audit:
    """Immutable. A record that cannot be kept is told in the line; the write has happened all the same."""

    def __init__(self, book: AuditBook, signals: Signals) -> None:
        self._book = book
        self._signals = signals

    async def written(
        self, who: str, what: str, target: str, *, status: int, peer: str, detail: Mapping[str, Any]
    ) -> None:
        """Somebody with a token did something, or tried to."""
        kept = {name: _short(value) for name, value in detail.items()} | {"peer": peer}
        why = ""
        try:
            await self._book.audit(who=who, what=what, target=target, status=status, detail=kept)
        except BffError as error:
            why = str(error)
        self._emit(AdminWrite(who=who, what=what, target=target, status=status, detail=kept, unrecorded=why))

    def refused(self, what: str, target: str, *, peer: str, error: BffError) -> None:
        """Somebody without the right token tried. Only a line: whoever has no token shall not fill the store."""
        self._emit(
            AdminWrite(
                who="",
                what=what,
                target=target[:100],
                status=error.status,
                detail={"peer": peer, "error": error.code},
            )
        )

    def _emit(self, write: AdminWrite) -> None:
        self._signals.emit(write)


def _short(value: Any) -> Any:
    if isinstance(value, str) and len(value) > LONGEST:
        return f"{value[:LONGEST]}…"
    return value
