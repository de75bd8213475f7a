"""What operators ask of events and do with them: plain functions inside somebody's transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import fields

from bff.events import accepting, touched
from bff.events.picking import places
from bff.events.records import Attempt, Dead, Delivery, Kept, Shown, Sought, State
from bff.revisions.store.database import Row, Session, row

_KEPT = "SELECT e.key, e.source, e.id, e.type, e.subject, e.accepted, e.triggers"
_DELIVERY = (
    "SELECT key, event, trigger_name, function, is_letter, state, due, attempts, updated FROM deliveries"
)
_ATTEMPT = (
    "SELECT delivery, number, began, ended, status, code, detail, revision, gateway FROM attempts"
    " WHERE delivery IN (SELECT key FROM deliveries WHERE event = ?) ORDER BY number"
)


def listed(session: Session, sought: Sought) -> list[tuple[Kept, tuple[Delivery, ...]]]:
    """The newest events that are as sought, each with its deliveries."""
    sql, values = _listing(sought)
    found = [Kept(**dict(zip(_NAMES, each, strict=True))) for each in session.rows(sql, *values)]
    return [(each, _deliveries(session, each.key)) for each in found]


_NAMES = ("key", "source", "id", "type", "subject", "accepted", "triggers")


def _listing(sought: Sought) -> tuple[str, list[object]]:
    where, values = ["e.key < ?"], list[object]([sought.before or "~"])
    for column, value in (("e.type", sought.type), ("e.source", sought.source)):
        if value:
            where.append(f"{column} = ?")
            values.append(value)
    if sought.within:
        where.append(_NEWEST)
        values += [sought.before or "~", sought.within]
    if sought.but:
        where.append("e.type <> ?")
        values.append(sought.but)
    inner = [
        (name, value) for name, value in (("trigger_name", sought.trigger), ("state", sought.state)) if value
    ]
    if sought.state not in ("", State.DELIVERED) and not (sought.type or sought.source):
        return _by_state(sought)
    if inner:
        so = " AND ".join(f"d.{name} = ?" for name, _ in inner)
        where.append(f"EXISTS (SELECT 1 FROM deliveries d WHERE d.event = e.key AND {so})")  # noqa: S608
        values += [value for _, value in inner]
    sql = f"{_KEPT} FROM events e WHERE {' AND '.join(where)} ORDER BY e.key DESC LIMIT ?"
    return sql, [*values, sought.limit]


_NEWEST = (
    "e.key > COALESCE((SELECT n.key FROM events n WHERE n.key < ? ORDER BY n.key DESC LIMIT 1 OFFSET ?), '')"
)


def _by_state(sought: Sought) -> tuple[str, list[object]]:
    """Few of many may be so, and they have an index; looked for among all events, each of those would be read."""
    found = "SELECT d.event FROM deliveries d WHERE d.state = ? AND (? = '' OR d.trigger_name = ?)"
    sql = f"{_KEPT} FROM events e WHERE e.key IN ({found}) AND e.key < ? AND (? = '' OR e.type <> ?)"
    values = [sought.state, sought.trigger, sought.trigger, sought.before or "~", sought.but, sought.but]
    return f"{sql} ORDER BY e.key DESC LIMIT ?", [*values, sought.limit]


def shown(session: Session, key: str) -> Shown | None:
    """An event with everything that became of it; by its key, or by its id where only one source has that."""
    found = session.rows(f"{_KEPT}, e.document FROM events e WHERE e.key = ?", key)
    if not found:
        found = session.rows(f"{_KEPT}, e.document FROM events e WHERE e.id = ? LIMIT 2", key)
    if len(found) != 1:
        return None
    kept = Kept(**dict(zip((*_NAMES, "document"), found[0], strict=True)))
    attempts = _by_delivery(session.rows(_ATTEMPT, kept.key))
    return Shown(event=kept, deliveries=_deliveries(session, kept.key), attempts=attempts)


_OF_ATTEMPT = ("number", "began", "ended", "status", "code", "detail", "revision", "gateway")


def _deliveries(session: Session, event: str) -> tuple[Delivery, ...]:
    return tuple(_delivery(each) for each in session.rows(f"{_DELIVERY} WHERE event = ? ORDER BY key", event))


def _delivery(found: Row) -> Delivery:
    key, event, trigger, function, is_letter, state, due, attempts, updated = found
    return Delivery(
        key=key,
        event=event,
        trigger=trigger,
        function=function,
        is_letter=bool(is_letter),
        state=State(state),
        due=due,
        attempts=attempts,
        updated=updated,
    )


def parts(session: Session, source: str) -> list[tuple[Delivery, tuple[Attempt, ...]]]:
    """All deliveries of a source's events in their order, each with its attempts."""
    attempts = _by_delivery(
        session.rows(
            "SELECT a.delivery, a.number, a.began, a.ended, a.status, a.code, a.detail, a.revision, a.gateway"
            " FROM events e JOIN deliveries d ON d.event = e.key JOIN attempts a ON a.delivery = d.key"
            " WHERE e.source = ? ORDER BY a.delivery, a.number",
            source,
        )
    )
    names = _DELIVERY.removeprefix("SELECT ").removesuffix(" FROM deliveries").split(", ")
    columns = ", ".join(f"d.{name}" for name in names)
    sql = f"SELECT {columns} FROM events e JOIN deliveries d ON d.event = e.key WHERE e.source = ? ORDER BY d.key"  # noqa: S608
    found = map(_delivery, session.rows(sql, source))
    return [(each, attempts.get(each.key, ())) for each in found]


def _by_delivery(rows: Iterable[Row]) -> dict[str, tuple[Attempt, ...]]:
    """Attempts by their deliveries; rows are the delivery and what an attempt has."""
    found: dict[str, list[Attempt]] = {}
    for key, *rest in rows:
        found.setdefault(key, []).append(Attempt(**dict(zip(_OF_ATTEMPT, rest, strict=True))))
    return {key: tuple(each) for key, each in found.items()}


def delivery(session: Session, key: str) -> Delivery | None:
    """How one delivery stands."""
    found = row(session, f"{_DELIVERY} WHERE key = ?", key)
    return _delivery(found) if found else None


def newest(session: Session, source: str) -> str | None:
    """The greatest id of a source that is kept."""
    (number,) = session.rows("SELECT MAX(id) FROM events WHERE source = ?", source)[0]
    return number if number is None else str(number)


def cancel(session: Session, event: str, now: float) -> int:
    """End what is open of an event; an attempt under way is not heard any more. The run that it is a part of fails:
    nothing else would ever end it.
    """
    found = session.rows(
        "UPDATE deliveries SET state = ?, is_open = 0, holder = '', updated = ?"
        " WHERE event = ? AND is_open = 1 RETURNING trigger_name",
        *(State.CANCELLED, now, event),
    )
    for (trigger,) in found:
        touched.fail(session, event, trigger, now)
    return len(found)


def redrive(session: Session, sought: Sought, now: float) -> int:
    """Let dead and cancelled deliveries begin anew, their attempts counted from none: of one event
    (``sought.before`` is its key), or of a trigger, at most ``limit``. A run of which nothing is dead any more runs again.
    """
    column, value = ("d.event", sought.before) if sought.before else ("d.trigger_name", sought.trigger)
    found = session.rows(
        "SELECT d.key, d.trigger_name, e.source FROM deliveries d JOIN events e ON e.key = d.event"  # noqa: S608
        f" WHERE {column} = ? AND d.state IN ('dead', 'cancelled') ORDER BY d.key LIMIT ?",
        *(value, sought.limit),
    )
    for key, _, _ in found:
        session.rows(
            "UPDATE deliveries SET state = ?, is_open = 1, due = ?, base = attempts, updated = ? WHERE key = ?",
            *(State.WAITING, now, now, key),
        )
    touched.revive(session, {(trigger, source) for _, trigger, source in found}, now)
    return len(found)


def purge(session: Session, sought: Sought) -> int:
    """Forget events of which no delivery is open and one is in this state, of this trigger if one is named. What a run
    still needs stays; with a part that is dead or cancelled the whole run goes, which could not be resumed without it.
    """
    needs = "state <> 'succeeded'" if sought.state == State.DELIVERED else "state = 'running'"
    found = session.rows(
        "SELECT DISTINCT e.key, e.source, d.trigger_name FROM deliveries d JOIN events e ON e.key = d.event"  # noqa: S608
        " WHERE d.state = ? AND (? = '' OR d.trigger_name = ?)"
        " AND NOT EXISTS (SELECT 1 FROM deliveries o WHERE o.event = d.event AND o.is_open = 1)"
        f" AND e.key NOT IN (SELECT key FROM runs WHERE {needs})"
        f" AND e.source NOT IN (SELECT '/pipelines/' || pipeline || '/' || key FROM runs WHERE {needs}) LIMIT ?",
        *(sought.state, sought.trigger, sought.trigger, sought.limit),
    )
    keys = {key for key, _, _ in found}
    if sought.state != State.DELIVERED:
        keys = touched.whole(session, keys, {(trigger, source) for _, source, trigger in found})
    for key in sorted(keys):
        accepting.forget(session, key)
    return len(keys)


def paused(session: Session) -> dict[str, tuple[float, str]]:
    """The triggers that are paused: since when, and by whom."""
    return {name: (at, who) for name, at, who in session.rows("SELECT trigger_name, at, who FROM pauses")}


def pause(session: Session, trigger: str, who: str, now: float) -> None:
    """Deliver nothing for a trigger until it is resumed; what matches is stored."""
    session.rows(
        "INSERT INTO pauses (trigger_name, at, who) VALUES (?, ?, ?) ON CONFLICT (trigger_name) DO NOTHING",
        *(trigger, now, who),
    )


def resume(session: Session, trigger: str) -> None:
    """Deliver again, what has waited first."""
    session.rows("DELETE FROM pauses WHERE trigger_name = ?", trigger)


_DEAD = (
    "SELECT d.event, e.id, e.type, e.source, d.trigger_name, d.function, d.attempts, d.updated,"
    " COALESCE(a.status, 0), COALESCE(a.code, ''), COALESCE(a.detail, '')"
    " FROM deliveries d JOIN events e ON e.key = d.event"
    " LEFT JOIN attempts a ON a.delivery = d.key AND a.number = d.attempts"
    " WHERE d.state = 'dead' AND (? = '' OR d.trigger_name = ?) ORDER BY d.key DESC LIMIT ?"
)


def dead(session: Session, trigger: str, limit: int) -> list[Dead]:
    """What is dead, the newest first, of a trigger if one is named."""
    names = [each.name for each in fields(Dead)]
    found = session.rows(_DEAD, trigger, trigger, limit)
    return [Dead(**dict(zip(names, each, strict=True))) for each in found]


def counts(session: Session, states: Collection[str]) -> dict[tuple[str, str], int]:
    """How many deliveries each trigger has in each of these states. Of all of them it reads every delivery that is kept."""
    wanted = sorted(states)
    where = f"WHERE state IN ({places(wanted)})"
    sql = f"SELECT trigger_name, state, COUNT(*) FROM deliveries {where} GROUP BY trigger_name, state"  # noqa: S608
    return {(trigger, state): count for trigger, state, count in session.rows(sql, *wanted)}
