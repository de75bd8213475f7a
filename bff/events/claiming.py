"""Deliveries are taken, renewed and ended: plain functions inside somebody's transaction.

A gateway takes a delivery for the time of a lease and renews it while it works. What it says of one whose lease has
ended and that somebody else has taken is not heard: the holder and the attempt's number are its fence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bff.events import accepting, keeping
from bff.events.records import OPEN, Claimed, Settled, State, Wanted
from bff.revisions.store.database import Row, Session

_FREE = (
    "SELECT d.key FROM deliveries d WHERE d.is_open = 1 AND d.due <= ? AND d.trigger_name {which}"
    " AND d.trigger_name NOT IN (SELECT trigger_name FROM pauses)"
    " AND (d.lane = '' OR NOT EXISTS (SELECT 1 FROM deliveries o WHERE o.lane = d.lane AND o.is_open = 1"
    " AND o.key < d.key)) ORDER BY d.due, d.key LIMIT ?"
)
_TAKE = (
    "UPDATE deliveries SET state = 'running', holder = ?, due = ?, attempts = attempts + 1, updated = ?"
    " WHERE is_open = 1 AND due <= ? AND key IN ({free})"
    " RETURNING key, event, trigger_name, function, is_letter, attempts, base"
)
_BEGIN = (
    "INSERT INTO attempts (delivery, number, began, ended, status, code, detail, revision, gateway)"
    " VALUES (?, ?, ?, NULL, 0, '', '', '', ?) ON CONFLICT (delivery, number) DO UPDATE SET"
    " began = excluded.began, ended = NULL, status = 0, code = '', detail = '', gateway = excluded.gateway"
)


@dataclass(frozen=True, slots=True)
class Taken:
    """What was taken, and when the next one can be: seconds from now, None where nothing waits for a time."""

    claimed: tuple[Claimed, ...]
    next_in: float | None


def take(session: Session, wanted: Wanted, now: float) -> Taken:
    """Take what is due and has room."""
    session.rows("UPDATE claims SET at = at + 1 WHERE id = 1")
    limited = sorted(wanted.rooms)
    rows = _taken(session, wanted, now, _others(limited), limited or [""], wanted.free)
    for trigger in limited:
        most = min(wanted.rooms[trigger], wanted.free - len(rows))
        rows += _taken(session, wanted, now, "= ?", [trigger], most)
    for key, *_, number, _base in rows:
        session.rows(_BEGIN, key, number, now, wanted.holder)
    return Taken(tuple(_claimed(session, rows)), _next_in(session, now))


def peek(session: Session, wanted: Wanted, now: float) -> Taken:
    """The same without taking anything: ``next_in`` is 0 where something could be taken."""
    free = [name for name, room in wanted.rooms.items() if room <= 0]
    sql = _FREE.format(which=_others(free))
    if session.rows(sql, now, *(free or [""]), 1):
        return Taken((), 0.0)
    return Taken((), _next_in(session, now))


def _others(names: list[str]) -> str:
    return f"NOT IN ({_places(names)})"


def _places(values: list[str]) -> str:
    return ", ".join("?" for _ in values) or "?"


def _taken(
    session: Session, wanted: Wanted, now: float, which: str, names: list[str], most: int
) -> list[Row]:
    if most <= 0:
        return []
    sql = _TAKE.format(free=_FREE.format(which=which))
    return session.rows(sql, wanted.holder, now + wanted.lease, now, now, now, *names, most)


def _claimed(session: Session, rows: list[Row]) -> Iterable[Claimed]:
    keys = sorted({row[1] for row in rows})
    if not keys:
        return
    sql = f"SELECT key, document FROM events WHERE key IN ({_places(keys)})"  # noqa: S608 - places only
    documents = {key: bytes(document) for key, document in session.rows(sql, *keys)}
    for key, event, trigger, function, is_letter, attempt, base in sorted(rows, key=lambda row: str(row[0])):
        yield Claimed(
            key=key,
            event=event,
            trigger=trigger,
            function=function,
            is_letter=bool(is_letter),
            attempt=attempt,
            tries=attempt - base,
            document=documents[event],
        )


def _next_in(session: Session, now: float) -> float | None:
    (at,) = session.rows("SELECT MIN(due) FROM deliveries WHERE is_open = 1 AND due > ?", now)[0]
    return None if at is None else max(0.0, float(at) - now)


def renew(session: Session, holder: str, keys: Iterable[str], until: float) -> frozenset[str]:
    """What the holder works on stays its own until then; which deliveries that are: others it has lost."""
    kept = set[str]()
    for key in sorted(keys):
        sql = "UPDATE deliveries SET due = ? WHERE key = ? AND holder = ? AND state = 'running' RETURNING key"
        kept.update(found[0] for found in session.rows(sql, until, key, holder))
    return frozenset(kept)


def holders(session: Session) -> list[str]:
    """Who works on something, or did when it was last heard of."""
    return [row[0] for row in session.rows("SELECT DISTINCT holder FROM deliveries WHERE state = 'running'")]


def take_over(session: Session, now: float, *, holder: str) -> None:
    """The holder is gone: what it had may be taken now. The attempt counts: perhaps it was what ended it."""
    session.rows("UPDATE deliveries SET due = ? WHERE holder = ? AND state = 'running'", now, holder)


def settle(
    session: Session, settled: Settled, now: float, then: Callable[[Session, float], None] | None = None
) -> bool:
    """Write down how an attempt ended, together with what it published and what else follows; False where it is
    not ours any more, and then nothing is written.
    """
    claimed, outcome = settled.claimed, settled.outcome
    ours = session.rows(
        "UPDATE deliveries SET state = ?, is_open = ?, due = ?, holder = '', updated = ?"
        " WHERE key = ? AND holder = ? AND attempts = ? AND state = 'running' RETURNING key",
        *(settled.state, int(settled.state in OPEN), now + settled.delay, now),
        *(claimed.key, settled.holder, claimed.attempt),
    )
    if not ours:
        return False
    session.rows(
        "UPDATE attempts SET ended = ?, status = ?, code = ?, detail = ?, revision = ?"
        " WHERE delivery = ? AND number = ?",
        *(now, outcome.status, outcome.code, outcome.detail, settled.revision),
        *(claimed.key, claimed.attempt),
    )
    accepting.accept(session, settled.published, now)
    if settled.result is not None:
        keeping.keep(session, claimed.key, settled.result)
    if then is not None:
        then(session, now)
    return True


def hand_back(session: Session, holder: str, now: float) -> None:
    """A gateway that stops gives back what it could not finish; that attempt does not count."""
    session.rows(
        "UPDATE deliveries SET state = ?, due = ?, holder = '', attempts = attempts - 1, updated = ?"
        " WHERE holder = ? AND state = 'running'",
        *(State.WAITING, now, now, holder),
    )
