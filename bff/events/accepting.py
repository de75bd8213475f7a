"""Events come in and go again: plain functions inside somebody's transaction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

from bff.events.records import Accepted, Enqueued, Incoming, State
from bff.revisions.store.database import Session, row

CALL = "bff.call"
"""The type of an event that is an asynchronous call."""

_EVENT = (
    "INSERT INTO events (key, source, id, type, subject, accepted, triggers, document)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (source, id) DO NOTHING"
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


def enqueue(session: Session, items: Sequence[Enqueued], now: float) -> list[list[Accepted] | None]:
    """Store what each item has, all of it or none: None where more deliveries than its backlog would be open. Those that
    ask for nothing else are stored at once, those with ``unless_open`` one after the other.
    """
    count = open_deliveries(session) if any(each.deliveries for each in items) else 0
    fitting: list[Enqueued | None] = []
    for each in items:
        count += each.deliveries
        if each.deliveries and count > each.backlog:
            count -= each.deliveries
            fitting.append(None)
        else:
            fitting.append(each)
    plain = [each for each in fitting if each is not None and not each.unless_open]
    accepted = iter(accept(session, [one for each in plain for one in each.incoming], now))
    return [None if each is None else _enqueued(session, each, accepted, now) for each in fitting]


def _enqueued(session: Session, item: Enqueued, accepted: Iterator[Accepted], now: float) -> list[Accepted]:
    if not item.unless_open:
        return list(islice(accepted, len(item.incoming)))
    incoming: Sequence[Incoming] = item.incoming
    if is_open(session, item.unless_open):
        incoming = [replace(each, deliveries=()) for each in incoming]
    return accept(session, incoming, now)


def accept(session: Session, incoming: Sequence[Incoming], now: float) -> list[Accepted]:
    """Store events with their deliveries; one that is there already stays as it is, and gets no second delivery."""
    made = session.many(_EVENT + " RETURNING key", [_row_of(each, now) for each in incoming])
    new = [each for each, found in zip(incoming, made, strict=True) if found]
    _deliver(session, new, now)
    return [_accepted(session, each, bool(found)) for each, found in zip(incoming, made, strict=True)]


def _accepted(session: Session, incoming: Incoming, is_new: bool) -> Accepted:
    if is_new:
        return Accepted(key=incoming.key, is_new=True)
    event = incoming.event
    there = row(session, "SELECT key FROM events WHERE source = ? AND id = ?", event.source, event.id)
    assert there is not None
    return Accepted(key=there[0], is_new=False)


def add(session: Session, incoming: Sequence[Incoming], now: float) -> None:
    """Store events that cannot be there already, with their deliveries."""
    session.many(_EVENT, [_row_of(each, now) for each in incoming])
    _deliver(session, incoming, now)


def _row_of(incoming: Incoming, now: float) -> tuple[object, ...]:
    event = incoming.event
    told = (incoming.key, event.source, event.id, event.type, event.subject or "", now)
    return (*told, incoming.triggers, incoming.document)


def _deliver(session: Session, incoming: Iterable[Incoming], now: float) -> None:
    rows = [
        (
            *(f"{each.key}.{at}", each.key, planned.trigger, planned.function, int(planned.is_letter)),
            *(State.WAITING, now, planned.lane, now),
        )
        for each in incoming
        for at, planned in enumerate(each.deliveries)
    ]
    session.many(_DELIVERY, rows)


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
