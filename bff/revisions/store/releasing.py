"""What gateways that judge a release together tell each other. Plain functions inside somebody's transaction."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from bff.revisions.store import moving
from bff.revisions.store.database import Session, row
from bff.revisions.store.failures import Conflict
from bff.revisions.store.records import Change, Cohort, ReleaseState, TrafficState


def state(session: Session, function: str) -> ReleaseState:
    """How far the function's release has come."""
    found = row(session, "SELECT version, state FROM releases WHERE function = ?", function)
    if found is None:
        return ReleaseState(function=function)
    return ReleaseState(function=function, version=found[0], state=moving.decoded(found[1]))


def step(
    session: Session, change: Change, release: Mapping[str, Any], expected: int, now: float
) -> tuple[TrafficState, ReleaseState]:
    """Write how far the release has come together with the change that goes with it, both or neither.

    Raises:
        Conflict: the release or the traffic is not at the version expected.
        NoSuchRevision: a target names a revision that is not kept.

    """
    traffic = moving.move(session, change, now)  # takes the function's row: the release's is safe behind it
    before = state(session, change.function)
    if before.version != expected:
        raise Conflict(f"The release of {change.function}", expected=expected, now=before.version)
    session.rows(
        "INSERT INTO releases (function, version, state) VALUES (?, 1, ?)"
        " ON CONFLICT (function) DO UPDATE SET version = releases.version + 1, state = excluded.state",
        *(change.function, moving.encoded(dict(release))),
    )
    return traffic, state(session, change.function)


def count(session: Session, cohorts: Sequence[Cohort]) -> None:
    """Each gateway's counters so far take the place of what it said before about the same bucket: what is
    told twice is not counted twice.
    """
    for cohort in sorted(cohorts, key=lambda each: (each.function, each.revision, each.gateway, each.bucket)):
        session.rows(
            "INSERT INTO cohorts (function, revision, gateway, bucket, counters) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (function, revision, gateway, bucket) DO UPDATE SET counters = excluded.counters",
            *(cohort.function, cohort.revision, cohort.gateway, cohort.bucket),
            moving.encoded(dict(cohort.counters)),
        )


def counted(session: Session, function: str, since: int) -> tuple[Cohort, ...]:
    """What all gateways have counted from a bucket on."""
    sql = (
        "SELECT function, revision, gateway, bucket, counters FROM cohorts WHERE function = ? AND bucket >= ?"
        " ORDER BY bucket, revision, gateway"
    )
    return tuple(
        Cohort(function=f, revision=r, gateway=g, bucket=b, counters=json.loads(c))
        for f, r, g, b, c in session.rows(sql, function, since)
    )


def uncount(session: Session, function: str, before: int) -> None:
    """Forget the buckets before this one."""
    session.rows("DELETE FROM cohorts WHERE function = ? AND bucket < ?", function, before)


def lease(session: Session, name: str, holder: str, seconds: float, now: float) -> bool:
    """Whether the lease is the holder's for so many seconds from now; asking again in time renews it."""
    found = session.rows(
        "INSERT INTO leases (name, holder, until) VALUES (?, ?, ?)"
        " ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until"
        " WHERE leases.holder = excluded.holder OR leases.until <= ? RETURNING holder",
        *(name, holder, now + seconds, now),
    )
    return bool(found)


def leave(session: Session, name: str, holder: str) -> None:
    """Give a lease back before it ends; nothing happens where it is another's."""
    session.rows("DELETE FROM leases WHERE name = ? AND holder = ?", name, holder)
