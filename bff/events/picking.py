"""Which deliveries may be taken now: the conditions, and what stands in the way of the others. Reads only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bff.events.records import Wanted
from bff.frozen import frozen
from bff.revisions.store.database import Session
from bff.sdk import gcra

_FREE = (
    "SELECT d.key FROM deliveries d WHERE d.is_open = 1 AND d.due <= ?{more}"
    " AND d.trigger_name NOT IN (SELECT trigger_name FROM pauses)"
    " AND (d.lane = '' OR NOT EXISTS (SELECT 1 FROM deliveries o WHERE o.lane <> '' AND o.lane = d.lane AND o.is_open = 1"
    " AND o.key < d.key)) ORDER BY d.due, d.key LIMIT ?"
)


@frozen
class Picked:
    """A sentence that finds deliveries, and its values but the last one, which is how many at most."""

    sql: str
    values: tuple[object, ...]


def picked(wanted: Wanted, now: float, *, trigger: str = "", but: Sequence[str] = ()) -> Picked:
    """Those that are due and in reach, of one trigger or of all but some."""
    conditions: list[tuple[str, Sequence[str]]] = []
    if trigger:
        conditions.append(("d.trigger_name IN", (trigger,)))
    if but:
        conditions.append(("d.trigger_name NOT IN", but))
    if wanted.running:
        conditions.append(("d.key NOT IN", wanted.running))
    if wanted.reach.only is not None:
        conditions.append(("d.function IN", wanted.reach.only or ("",)))
    if wanted.reach.never:
        conditions.append(("d.function NOT IN", wanted.reach.never))
    more = "".join(f" AND {text} ({places(values)})" for text, values in conditions)
    return Picked(
        sql=_FREE.format(more=more), values=(now, *(each for _, values in conditions for each in values))
    )


def places(values: Sequence[object]) -> str:
    """A place for each value of a sentence."""
    return ", ".join("?" * len(values))


def rooms(wanted: Wanted, kept: Mapping[str, float], now: float) -> dict[str, int]:
    """How many each limited trigger may have, by what runs here and by its rate, of which this is ``kept``."""
    room = dict(wanted.rooms)
    for trigger, at in kept.items():
        by_rate = gcra.room(at, now, wanted.rates[trigger])
        room[trigger] = min(room.get(trigger, by_rate), by_rate)
    return room


def counted(session: Session, wanted: Wanted) -> dict[str, float]:
    """What is kept of each trigger with a rate; 0 where it had none yet."""
    names = list(wanted.rates)
    if not names:
        return {}
    sql = f"SELECT trigger_name, at FROM rates WHERE trigger_name IN ({places(names)})"  # noqa: S608 - places only
    return dict.fromkeys(names, 0.0) | {name: float(at) for name, at in session.rows(sql, *names)}


def is_any(session: Session, wanted: Wanted, now: float, room: Mapping[str, int]) -> bool:
    """Whether something could be taken."""
    pick = picked(wanted, now, but=[name for name, count in room.items() if count <= 0])
    return bool(session.rows(pick.sql, *pick.values, 1))


def next_in(session: Session, wanted: Wanted, kept: Mapping[str, float], now: float) -> float | None:
    """Seconds until something can be taken that cannot be now; None where nothing waits for a time."""
    (at,) = session.rows("SELECT MIN(due) FROM deliveries WHERE is_open = 1 AND due > ?", now)[0]
    waits = [] if at is None else [max(0.0, float(at) - now)]
    for trigger, full_at in kept.items():
        opens = gcra.opens_in(full_at, now, wanted.rates[trigger])
        pick = picked(wanted, now, trigger=trigger)
        if opens > 0 and session.rows(pick.sql, *pick.values, 1):
            waits.append(opens)
    return min(waits, default=None)
