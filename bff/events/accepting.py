"""Events come in and go again: plain functions inside somebody's transaction."""

from __future__ import annotations

from collections.abc import Iterable

from bff.events.records import Accepted, Incoming, State
from bff.revisions.store.database import Session, row

CALL = "bff.call"
"""The type of an event that is an asynchronous call."""

_EVENT = (
    "INSERT INTO events (key, source, id, type, subject, accepted, triggers, document)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (source, id) DO NOTHING RETURNING key"
)
_DELIVERY = (
    "INSERT INTO deliveries (key, event, trigger_name, function, is_letter, state, is_open, due, attempts, base,"
    " holder, lane, updated) VALUES (?, ?, ?, ?, ?, ?, 1, ?, 0, 0, '', ?, ?)"
)


def open_deliveries(session: Session) -> int:
    """How many have not ended."""
    return int(session.rows("SELECT COUNT(*) FROM deliveries WHERE is_open = 1")[0][0])


def is_open(session: Session, trigger: str) -> bool:
    """Whether a delivery of this trigger has not ended."""
    sql = "SELECT 1 FROM deliveries WHERE trigger_name = ? AND is_open = 1 LIMIT 1"
    return bool(session.rows(sql, trigger))


def accept(session: Session, incoming: Iterable[Incoming], now: float) -> list[Accepted]:
    """Store events with their deliveries; one that is there already stays as it is, and gets no second delivery."""
    return [_accepted(session, each, now) for each in incoming]


def _accepted(session: Session, incoming: Incoming, now: float) -> Accepted:
    event, key = incoming.event, incoming.key
    made = session.rows(
        _EVENT,
        *(key, event.source, event.id, event.type, event.subject or "", now),
        *(incoming.triggers, incoming.document),
    )
    if not made:
        there = row(session, "SELECT key FROM events WHERE source = ? AND id = ?", event.source, event.id)
        assert there is not None
        return Accepted(key=there[0], is_new=False)
    for at, planned in enumerate(incoming.deliveries):
        session.rows(
            _DELIVERY,
            *(f"{key}.{at}", key, planned.trigger, planned.function, int(planned.is_letter)),
            *(State.WAITING, now, planned.lane, now),
        )
    return Accepted(key=key, is_new=True)


def expire(session: Session, before: float, most: int, *, calls: bool = False) -> int:
    """Forget events that were accepted before then and have no open delivery, oldest first; or ``calls``."""
    kind = "=" if calls else "<>"
    found = session.rows(
        f"SELECT e.key FROM events e WHERE e.type {kind} '{CALL}' AND e.accepted < ? AND NOT EXISTS"  # noqa: S608
        " (SELECT 1 FROM deliveries d WHERE d.event = e.key AND d.is_open = 1) AND NOT EXISTS"
        " (SELECT 1 FROM runs r WHERE r.state = 'running' AND (r.key = e.key OR"
        " e.source = '/pipelines/' || r.pipeline || '/' || r.key)) ORDER BY e.accepted LIMIT ?",
        *(before, most),
    )
    for (key,) in found:
        forget(session, key)
    return len(found)


def forget(session: Session, key: str) -> None:
    """Everything about an event goes."""
    for table in ("attempts", "results", "progress"):
        session.rows(
            f"DELETE FROM {table} WHERE delivery IN (SELECT key FROM deliveries WHERE event = ?)",  # noqa: S608
            key,
        )
    session.rows("DELETE FROM deliveries WHERE event = ?", key)
    session.rows("DELETE FROM results WHERE delivery = ?", key)
    session.rows("DELETE FROM runs WHERE key = ?", key)
    session.rows("DELETE FROM events WHERE key = ?", key)
