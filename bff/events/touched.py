"""What becomes of runs when operators touch single parts of them: plain functions inside somebody's transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from bff.events import pipelines
from bff.revisions.store.database import Session

Parts = Collection[tuple[str, str]]
"""Triggers of deliveries, and the sources of their events."""


def fail(session: Session, event: str, trigger: str, now: float) -> None:
    """A part was cancelled by itself: its run fails, as it would if that were dead, until the part begins anew."""
    sources = session.rows("SELECT source FROM events WHERE key = ?", event)
    for run, _ in _runs([(trigger, source) for (source,) in sources]):
        session.rows(
            "UPDATE runs SET state = 'failed', why = ?, updated = ? WHERE key = ? AND state = 'running'",
            *(f"step {trigger.rpartition('/')[2]}: a part of it was cancelled", now, run),
        )


def revive(session: Session, parts: Parts, now: float) -> None:
    """Parts begin anew: their runs go on, unless others of theirs are dead or cancelled still."""
    for run, source in _runs(parts):
        session.rows(
            "UPDATE runs SET state = 'running', why = '', updated = ? WHERE key = ? AND NOT EXISTS"
            " (SELECT 1 FROM events e JOIN deliveries d ON d.event = e.key"
            " WHERE e.source = ? AND d.state IN ('dead', 'cancelled'))",
            *(now, run, source),
        )


def whole(session: Session, keys: Collection[str], parts: Parts) -> set[str]:
    """These events, with all others of the runs that they are parts of; without those of runs of which a part is open."""
    found = set(keys)
    for run, source in _runs(parts):
        told = session.rows(
            "SELECT e.key, MAX(d.is_open) FROM events e JOIN deliveries d ON d.event = e.key"
            " WHERE e.source = ? GROUP BY e.key",
            source,
        )
        of_run = {key for key, _ in told}
        if any(is_open for _, is_open in told):
            found -= of_run
        else:
            found |= {run, *of_run}
    return found


def _runs(parts: Parts) -> Iterator[tuple[str, str]]:
    for trigger, source in sorted(parts):
        if run := pipelines.run_of(trigger, source):
            yield run, source
