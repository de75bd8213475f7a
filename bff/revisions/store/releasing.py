"""What gateways that judge a release together tell each other. Plain functions inside somebody's transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from bff.revisions.release import State
from bff.revisions.store import moving
from bff.revisions.store.database import Row, Session, row
from bff.revisions.store.records import Change, Counted, Planned, ReleaseState, TrafficState

_STATE = "SELECT function, version, goes_on, state FROM releases"


def state(session: Session, function: str) -> ReleaseState:
    """How far the function's release has come."""
    found = row(session, f"{_STATE} WHERE function = ?", function)
    return _state(found) if found else ReleaseState(function=function)


def going_on(session: Session) -> tuple[ReleaseState, ...]:
    """Every release that has not ended."""
    return tuple(map(_state, session.rows(f"{_STATE} WHERE goes_on = 1 ORDER BY function")))


def turn(
    session: Session,
    change: Change,
    before: ReleaseState,
    plan: Callable[[TrafficState], Planned],
    now: float,
) -> TrafficState | None:
    """Write how far a release has come together with the traffic that goes with it, both or neither; None
    where it is no more what it was ``before``.

    Raises:
        Conflict: the traffic is at another version than the change is based on.
        NoSuchRevision: a target names a revision that is not kept.

    """
    moving.lock(session, change.function)
    if state(session, change.function) != before:
        return None
    planned = plan(moving.state(session, change.function))
    served = moving.state(session, change.function)
    moving.move(session, replace(change, traffic=planned.traffic), now, is_whole=False)
    moving.remember(session, served, was_settled=not before.goes_on, goes_back=change.goes_back)
    write(session, change.function, planned, now)
    return moving.state(session, change.function)


def write(session: Session, function: str, planned: Planned, now: float) -> None:
    """Remember how far a release has come, within the transaction that locked its function. Counts of a step
    that is over are of no use to anybody.
    """
    if planned.release is None:
        return
    session.rows(
        "INSERT INTO releases (function, version, goes_on, state) VALUES (?, 1, ?, ?)"
        " ON CONFLICT (function) DO UPDATE SET version = releases.version + 1,"
        " goes_on = excluded.goes_on, state = excluded.state",
        *(function, int(planned.goes_on), moving.encoded(dict(planned.release))),
    )
    session.rows("DELETE FROM cohorts WHERE function = ? AND step <> ?", function, planned.step)
    if planned.release.get("state") == State.ROLLED_BACK:
        sql = "UPDATE revisions SET condemned = ? WHERE name = ?"
        session.rows(sql, now, planned.release["canary"])


def count(session: Session, counted: Sequence[Counted]) -> None:
    """What each gateway counted so far takes the place of what it said before of the same step: what is told
    twice is not counted twice.
    """
    for each in sorted(counted, key=lambda each: (each.function, each.step, each.side, each.gateway)):
        session.rows(
            "INSERT INTO cohorts (function, step, side, gateway, counters) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (function, step, side, gateway) DO UPDATE SET counters = excluded.counters",
            *(each.function, each.step, each.side, each.gateway, moving.encoded(dict(each.counters))),
        )


def counted(session: Session, function: str, step: str) -> tuple[Counted, ...]:
    """What all gateways have counted in a step."""
    sql = "SELECT side, gateway, counters FROM cohorts WHERE function = ? AND step = ? ORDER BY side, gateway"
    return tuple(
        Counted(function=function, step=step, side=side, gateway=gateway, counters=moving.decoded(counters))
        for side, gateway, counters in session.rows(sql, function, step)
    )


def lease(session: Session, name: str, holder: str, seconds: float, now: float) -> bool:
    """Whether the lease is the holder's for so many seconds from now; asking again in time renews it. Nobody's lease
    ends later than that: one that says so is of a time before the clock was set back.
    """
    found = session.rows(
        "INSERT INTO leases (name, holder, until) VALUES (?, ?, ?)"
        " ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until"
        " WHERE leases.holder = excluded.holder OR leases.until <= ? OR leases.until > excluded.until + 1"
        " RETURNING holder",
        *(name, holder, now + seconds, now),
    )
    return bool(found)


def leave(session: Session, name: str, holder: str) -> None:
    """Give a lease back before it ends; nothing happens where it is another's."""
    session.rows("DELETE FROM leases WHERE name = ? AND holder = ?", name, holder)


def _state(found: Row) -> ReleaseState:
    function, version, goes_on, text = found
    return ReleaseState(function=function, version=version, goes_on=bool(goes_on), state=moving.decoded(text))
