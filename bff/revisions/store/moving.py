"""Traffic moves, and why is remembered. Plain functions inside somebody's transaction."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bff.revisions.past import Shares, after
from bff.revisions.store.database import Row, Session, next_number, row
from bff.revisions.store.failures import Conflict, NoSuchRevision
from bff.revisions.store.records import Change, Entry, TrafficState
from bff.revisions.traffic import LATEST, Traffic, parsed

_STATE = (
    "SELECT f.name, f.version, f.block, f.latest, r.digest, r.created, f.folder, f.changed, r.approved,"
    " s.state FROM functions f LEFT JOIN revisions r ON r.name = f.latest"
    " LEFT JOIN releases s ON s.function = f.name AND s.goes_on = 1"
)
_ENTRY = "SELECT id, function, at, who, what, why, numbers, before, after FROM history"


HISTORY_KEPT = 1000
"""Lines of a function's history that are kept, the newest."""


def encoded(value: Any) -> str:
    """JSON in one spelling."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


_LATEST = encoded(LATEST.block())
"""What nearly every function has, and which need not be parsed."""


def state(session: Session, function: str) -> TrafficState:
    """Who gets a function's calls; the defaults for a function that was never published."""
    found = row(session, f"{_STATE} WHERE f.name = ?", function)
    return _state(found) if found else TrafficState(function=function)


def changed_since(session: Session, number: int) -> tuple[int, dict[str, TrafficState]]:
    """The newest number of the sequence, and every function that changed after the one given."""
    (newest,) = session.rows("SELECT at FROM sequence WHERE id = 1")[0]
    if newest == number:
        return newest, {}
    found = session.rows(f"{_STATE} WHERE f.changed > ? AND f.latest <> ''", number)
    return newest, {each[0]: _state(each) for each in found}


def move(session: Session, change: Change, now: float, *, is_whole: bool = True) -> TrafficState:
    """Obey a change of traffic, in the function's history with what it was before. Where it is a part of
    something larger (``is_whole`` False), whoever does that remembers what served before.

    Raises:
        Conflict: it is based on another version than the present one.
        NoSuchRevision: a target names a revision that is not kept.

    """
    lock(session, change.function)
    before = state(session, change.function)
    if change.expected is not None and change.expected != before.version:
        raise Conflict(f"The traffic of {change.function}", expected=change.expected, now=before.version)
    if change.traffic is None:
        note(session, change, next_number(session), now)
        return before
    _check(session, change.function, change.traffic, before)
    number, block = next_number(session), encoded(change.traffic.block())
    rest(session, before, now)
    session.rows(
        "UPDATE functions SET version = version + 1, block = ?, changed = ? WHERE name = ?",
        *(block, number, change.function),
    )
    note(session, change, number, now, before.traffic)
    moved = state(session, change.function)
    _pardon(session, moved)
    if is_whole:
        remember(session, before, was_settled=True, goes_back=change.goes_back)
    return moved


def _pardon(session: Session, moved: TrafficState) -> None:
    """What has all calls is what is wanted, whatever its release thought of it."""
    shares = moved.shares()
    if len(shares) == 1:
        session.rows("UPDATE revisions SET condemned = 0 WHERE name = ? AND condemned > 0", *shares)


def remember(session: Session, before: TrafficState, *, was_settled: bool, goes_back: bool = False) -> None:
    """What served until now is the past; see :mod:`bff.revisions.past`."""
    if not before.latest:
        return
    known, now = past(session, before.function), state(session, before.function)
    served = after(known, before.shares(), now.shares(), was_settled=was_settled, goes_back=goes_back)
    if served != known:
        told = encoded([dict(shares) for shares in served])
        session.rows("UPDATE functions SET past = ? WHERE name = ?", told, before.function)


def past(session: Session, function: str) -> tuple[Shares, ...]:
    """What served before, oldest first."""
    found = row(session, "SELECT past FROM functions WHERE name = ?", function)
    return tuple(json.loads(found[0])) if found and found[0] != "[]" else ()


def lock(session: Session, function: str) -> None:
    """What is read of the function after this is still so when the transaction ends: SQLite has one writer,
    and PostgreSQL this row.
    """
    session.rows("UPDATE functions SET version = version WHERE name = ?", function)


def _check(session: Session, function: str, traffic: Traffic, before: TrafficState) -> None:
    sql = "SELECT name FROM revisions WHERE function = ? ORDER BY number"
    known = [found[0] for found in session.rows(sql, function)]
    for name in sorted(traffic.names()):
        if name not in known:
            raise NoSuchRevision(function, name, known)
    if not before.latest:
        raise NoSuchRevision(function, "latest", known)


def rest(session: Session, before: TrafficState, now: float) -> None:
    """What had traffic until now may have none after: garbage collection goes by when that was."""
    for name in sorted(before.routed()):
        session.rows("UPDATE revisions SET last_active = ? WHERE name = ?", now, name)


def note(session: Session, change: Change, number: int, now: float, before: Traffic | None = None) -> None:
    """A line in the history; ``number`` is the sequence's, and the line's id."""
    moved = before is not None and change.traffic is not None
    session.rows(
        "DELETE FROM history WHERE id <= (SELECT id FROM history WHERE function = ?"
        " ORDER BY id DESC LIMIT 1 OFFSET ?) AND function = ?",
        *(change.function, HISTORY_KEPT - 1, change.function),
    )
    session.rows(
        "INSERT INTO history (id, function, at, who, what, why, numbers, before, after)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        *(number, change.function, now, change.who, change.what, change.why, encoded(dict(change.numbers))),
        encoded(before.block()) if moved and before else None,
        encoded(change.traffic.block()) if moved and change.traffic else None,
    )


def history(session: Session, function: str, limit: int, before: int | None) -> tuple[Entry, ...]:
    """The newest lines of a function's history first; ``before`` is the id to go on from."""
    sql = f"{_ENTRY} WHERE function = ? AND id < ? ORDER BY id DESC LIMIT ?"
    return tuple(map(_entry, session.rows(sql, function, before or 2**62, limit)))


def _state(found: Row) -> TrafficState:
    name, version, block, latest, digest, created, folder, changed, approved, release = found
    return TrafficState(
        function=name,
        version=version,
        traffic=LATEST if block == _LATEST else parsed(json.loads(block)),
        latest=latest,
        digest=digest or "",
        created=created or 0.0,
        folder=folder,
        changed=changed,
        is_approved=approved is None or approved > 0,
        canary=decoded(release).get("canary", "") if release else "",
    )


def _entry(found: Row) -> Entry:
    number, function, at, who, what, why, numbers, before, after = found
    return Entry(
        id=number,
        function=function,
        at=at,
        who=who,
        what=what,
        why=why,
        numbers=decoded(numbers),
        before=json.loads(before) if before else None,
        after=json.loads(after) if after else None,
    )


def decoded(text: str) -> Mapping[str, Any]:
    """A JSON object of ours."""
    value: Mapping[str, Any] = json.loads(text)
    return value
