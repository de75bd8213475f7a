"""Deliveries are taken, renewed and ended: plain functions inside somebody's transaction.

A gateway takes a delivery for the time of a lease and renews it while it works. What it says of one whose lease has
ended and that somebody else has taken is not heard: the holder and the attempt's number are its fence.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bff.events import accepting, keeping, picking
from bff.events.picking import Picked
from bff.events.records import OPEN, Claimed, Settled, State, Wanted
from bff.revisions.store.database import Row, Session

_APART = 1.0
"""Seconds that two transactions may think to differ, beyond which a time of the past is one of the future."""
_TAKE = (
    "UPDATE deliveries SET state = 'running', holder = ?, due = ?, attempts = attempts + 1, updated = ?"
    " WHERE +is_open = 1 AND +due <= ? AND key IN ({free})"
    " RETURNING key, event, trigger_name, function, is_letter, attempts, base"
)
_BEGIN = (
    "INSERT INTO attempts (delivery, number, began, ended, status, code, detail, revision, gateway)"
    " VALUES (?, ?, ?, NULL, 0, '', '', '', ?) ON CONFLICT (delivery, number) DO UPDATE SET"
    " began = excluded.began, ended = NULL, status = 0, code = '', detail = '', gateway = excluded.gateway"
)
_SETTLE = (
    "UPDATE deliveries SET state = ?, is_open = ?, due = ?, holder = '', updated = ?"
    " WHERE key = ? AND holder = ? AND attempts = ? AND state = 'running' RETURNING key"
)
_ENDED = (
    "UPDATE attempts SET ended = ?, status = ?, code = ?, detail = ?, revision = ?"
    " WHERE delivery = ? AND number = ?"
)
_COUNT = (
    "INSERT INTO rates (trigger_name, at) VALUES (?, ?)"
    " ON CONFLICT (trigger_name) DO UPDATE SET at = excluded.at"
)


@dataclass(frozen=True, slots=True)
class Taken:
    """What was taken, and when the next one can be: seconds from now, None where nothing waits for a time."""

    claimed: tuple[Claimed, ...]
    next_in: float | None


def take(session: Session, wanted: Wanted, now: float) -> Taken:
    """Take what is due and has room."""
    session.rows("UPDATE claims SET at = at + 1 WHERE id = 1")
    kept = picking.counted(session, wanted)
    room = picking.rooms(wanted, kept, now)
    rows = _taken(session, wanted, now, picking.picked(wanted, now, but=sorted(room)), wanted.free)
    for trigger in sorted(room):
        most = min(room[trigger], wanted.free - len(rows))
        more = _taken(session, wanted, now, picking.picked(wanted, now, trigger=trigger), most)
        if more and trigger in kept:
            kept[trigger] = max(kept[trigger], now) + len(more) * wanted.rates[trigger].interval
            session.rows(_COUNT, trigger, kept[trigger])
        rows += more
    session.many(_BEGIN, [(key, number, now, wanted.holder) for key, *_, number, _base in rows])
    return Taken(tuple(_claimed(session, rows)), picking.next_in(session, wanted, kept, now))


def peek(session: Session, wanted: Wanted, now: float) -> Taken:
    """The same without taking anything: ``next_in`` is 0 where something could be taken."""
    kept = picking.counted(session, wanted)
    if picking.is_any(session, wanted, now, picking.rooms(wanted, kept, now)):
        return Taken((), 0.0)
    return Taken((), picking.next_in(session, wanted, kept, now))


def _taken(session: Session, wanted: Wanted, now: float, pick: Picked, most: int) -> list[Row]:
    if most <= 0:
        return []
    sql = _TAKE.format(free=pick.sql)
    return session.rows(sql, wanted.holder, now + wanted.lease, now, now, *pick.values, most)


def _claimed(session: Session, rows: list[Row]) -> Iterable[Claimed]:
    keys = sorted({row[1] for row in rows})
    if not keys:
        return
    sql = f"SELECT key, document FROM events WHERE key IN ({picking.places(keys)})"  # noqa: S608 - places only
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
            lost=_lost(session, key, attempt, base),
            document=documents[event],
        )


def _lost(session: Session, key: str, attempt: int, base: int) -> int:
    """How many attempts before this one nobody has ended: those who made them ended first."""
    if attempt - base < 2:
        return 0
    sql = "SELECT COUNT(*) FROM attempts WHERE delivery = ? AND number > ? AND number < ? AND ended IS NULL"
    return int(session.rows(sql, key, base, attempt)[0][0])


def renew(session: Session, holder: str, keys: Iterable[str], until: float) -> frozenset[str]:
    """What the holder works on stays its own until then; which deliveries that are: others it has lost."""
    sql = "UPDATE deliveries SET due = ? WHERE key = ? AND holder = ? AND state = 'running' RETURNING key"
    found = session.many(sql, [(until, key, holder) for key in sorted(keys)])
    return frozenset(each[0][0] for each in found if each)


def holders(session: Session) -> list[str]:
    """Who works on something, or did when it was last heard of."""
    return [row[0] for row in session.rows("SELECT DISTINCT holder FROM deliveries WHERE state = 'running'")]


def take_over(session: Session, now: float, *, holder: str) -> None:
    """The holder is gone: what it had may be taken now. The attempt counts: perhaps it was what ended it."""
    session.rows("UPDATE deliveries SET due = ? WHERE holder = ? AND state = 'running'", now, holder)


def set_back(session: Session, lease: float, now: float) -> bool:
    """Move what was written by a clock that showed a later time to this one: waits stay as long as they were meant, and
    leases end when they would. Doing it twice changes nothing. Whether there was anything.
    """
    moved = session.rows(
        "UPDATE deliveries SET due = CASE WHEN state = 'running' THEN ? ELSE due - (updated - ?) END, updated = ?"
        " WHERE is_open = 1 AND (updated > ? OR (state = 'running' AND due > ?)) RETURNING key",
        *(now + lease, now, now, now + _APART, now + 2 * lease),
    )
    return bool(moved)


def settle(session: Session, settled: Sequence[Settled], now: float) -> list[bool]:
    """Write down how attempts ended, each together with what it published; False for those that are not ours any more,
    and of them nothing is written.
    """
    ours = [bool(found) for found in session.many(_SETTLE, [_settled(each, now) for each in settled])]
    written = [each for each, is_ours in zip(settled, ours, strict=True) if is_ours]
    session.many(_ENDED, [_ended(each, now) for each in written])
    accepting.accept(session, [one for each in written for one in each.published], now)
    for each in written:
        if each.result is not None:
            keeping.keep(session, each.claimed.key, each.result)
    return ours


def _settled(settled: Settled, now: float) -> tuple[object, ...]:
    claimed = settled.claimed
    told = (settled.state, int(settled.state in OPEN), now + settled.delay, now)
    return (*told, claimed.key, settled.holder, claimed.attempt)


def _ended(settled: Settled, now: float) -> tuple[object, ...]:
    claimed, outcome = settled.claimed, settled.outcome
    told = (now, outcome.status, outcome.code, outcome.detail, settled.revision)
    return (*told, claimed.key, claimed.attempt)


def hand_back(session: Session, holder: str, now: float) -> None:
    """A gateway that stops gives back what it could not finish; that attempt does not count."""
    session.rows(
        "UPDATE deliveries SET state = ?, due = ?, holder = '', attempts = attempts - 1, updated = ?"
        " WHERE holder = ? AND state = 'running'",
        *(State.WAITING, now, now, holder),
    )
