"""Revisions get their names and are kept. Plain functions inside somebody's transaction."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from bff.revisions.store import moving, releasing
from bff.revisions.store.database import Row, Session, next_number, row
from bff.revisions.store.failures import NoSuchRevision
from bff.revisions.store.records import (
    Back,
    Candidate,
    Change,
    Deployed,
    Planned,
    Published,
    ReleaseState,
    TrafficState,
)
from bff.revisions.store.retention import Retention, collectable
from bff.revisions.traffic import LATEST

_COLUMNS = (
    "function, number, name, digest, created, author, origin, note, settings, size, last_active, condemned"
)


NAMED = "{function}-{number:05d}"
EPHEMERAL = "{function}-dev-{number}"
"""How revisions are called where they are kept, and where they end with the process (``dev``)."""


def reserve(session: Session, function: str, digest: str, form: str) -> tuple[str, bool]:
    """The name that a digest has, or the next one; True when the name is new. A name that is never published
    leaves a gap.
    """
    _lock(session, function)
    known = row(session, "SELECT name FROM revisions WHERE function = ? AND digest = ?", function, digest)
    if known:
        return str(known[0]), False
    return form.format(function=function, number=_next(session, function)), True


def publish(session: Session, candidates: Iterable[Candidate], form: str, now: float) -> list[Published]:
    """Keep every candidate whose digest is unknown, each in its function's history, all or none.

    A new one becomes its function's newest unless one with a higher number is that already; a known one
    becomes it again. Locks are taken in the order of names, so that two publishers cannot embrace.
    """
    ordered = sorted(candidates, key=lambda each: each.function)
    for candidate in ordered:
        _lock(session, candidate.function)
    published = []
    for candidate in ordered:
        before = moving.state(session, candidate.function)
        published.append(_publish(session, candidate, form, now))
        moving.remember(session, before, was_settled=True)
    return published


def _publish(session: Session, candidate: Candidate, form: str, now: float) -> Published:
    known = _by(session, candidate.function, "digest", candidate.digest)
    if known is not None:
        _become_latest(session, known, candidate, now)
        return known
    published = _keep(session, candidate, form, now)
    latest = _latest(session, candidate.function)
    if latest is None or latest.number < published.number:
        _become_latest(session, published, candidate, now)
    return published


def _keep(session: Session, candidate: Candidate, form: str, now: float) -> Published:
    number = _number(candidate.name) if candidate.name else _next(session, candidate.function)
    published = Published(
        function=candidate.function,
        number=number,
        name=form.format(function=candidate.function, number=number),
        digest=candidate.digest,
        created=now,
        author=candidate.author,
        origin=candidate.origin,
        note=candidate.note,
        settings=candidate.settings,
        size=len(candidate.archive),
        last_active=0.0,
        is_new=True,
    )
    values = [getattr(published, column) for column in _COLUMNS.split(", ")]
    values += [candidate.files or candidate.folder, now if candidate.is_approved else 0.0]
    marks = ", ".join("?" * len(values))
    session.rows(f"INSERT INTO revisions ({_COLUMNS}, files, approved) VALUES ({marks})", *values)  # noqa: S608 - our own words
    session.rows("INSERT INTO archives (name, archive) VALUES (?, ?)", published.name, candidate.archive)
    return published


def _become_latest(session: Session, published: Published, candidate: Candidate, now: float) -> None:
    before = moving.state(session, published.function)
    if not published.is_new and candidate.folder and before.folder == candidate.folder:
        return  # nobody has changed the folder since: what was deployed or rolled back meanwhile stands
    folder = candidate.folder or before.folder
    if before.latest == published.name and before.folder == folder:
        return
    number = next_number(session)
    moving.rest(session, before, now)
    moves = int(before.latest not in ("", published.name))  # the calls of whichever is the latest, say
    session.rows(
        "UPDATE functions SET latest = ?, folder = ?, changed = ?, version = version + ? WHERE name = ?",
        *(published.name, folder, number, moves, published.function),
    )
    if before.latest != published.name:
        what = "published" if published.is_new else "published again"
        change = Change(
            function=published.function,
            what=f"{what} {published.name}",
            who=candidate.author,
            why=candidate.note,
        )
        moving.note(session, change, number, now)


Plan = Callable[[TrafficState, Published, ReleaseState], Planned]
"""What goes with a publication: from the traffic before, the revision, and the release there is."""


def deploy(session: Session, candidate: Candidate, plan: Plan, form: str, now: float) -> Deployed:
    """Publish one, and give traffic and release what ``plan`` makes of how they were before, all or nothing."""
    function = candidate.function
    _lock(session, function)
    before, release = moving.state(session, function), releasing.state(session, function)
    published = _publish(session, candidate, form, now)
    if candidate.is_approved:
        approve(session, published.name, now)
    planned = plan(before, published, release)
    releasing.write(session, function, planned, now)
    if planned.traffic != before.traffic:
        change = Change(
            function=function,
            what="traffic",
            who=candidate.author,
            why=f"deploy of {published.name}",
            traffic=planned.traffic,
        )
        moving.move(session, change, now, is_whole=False)
    moving.remember(session, before, was_settled=not release.goes_on)
    return Deployed(
        published=published,
        traffic=moving.state(session, function),
        release=releasing.state(session, function),
    )


def approve(session: Session, name: str, now: float) -> None:
    """A revision's ``check()`` has agreed to traffic."""
    session.rows("UPDATE revisions SET approved = ? WHERE name = ? AND approved = 0", now, name)


def holding(session: Session, function: str, digest: str, files: str) -> Published | None:
    """The newest revision with this digest, else with these files under whichever settings."""
    known = _by(session, function, "digest", digest)
    if known is not None or not files:
        return known
    sql = f"SELECT {_COLUMNS} FROM revisions WHERE function = ? AND files = ? ORDER BY number DESC LIMIT 1"  # noqa: S608
    found = row(session, sql, function, files)
    return _published(found) if found else None


def back(session: Session, function: str) -> Back:
    """What a function can go back to."""
    return Back(
        now=moving.state(session, function),
        past=moving.past(session, function),
        versions=versions(session, function),
    )


def versions(session: Session, function: str) -> tuple[Published, ...]:
    """Every kept revision of a function, oldest first."""
    sql = f"SELECT {_COLUMNS} FROM revisions WHERE function = ? ORDER BY number"  # noqa: S608
    return tuple(map(_published, session.rows(sql, function)))


def archive(session: Session, function: str, name: str) -> tuple[Published, bytes]:
    """A revision and its archive.

    Raises:
        NoSuchRevision: it is not kept, or no longer.

    """
    published = _by(session, function, "name", name)
    packed = row(session, "SELECT archive FROM archives WHERE name = ?", name)
    if published is None or packed is None:
        raise NoSuchRevision(function, name, (each.name for each in versions(session, function)))
    return published, bytes(packed[0])


def collect(
    session: Session, function: str, policy: Retention, in_use: Collection[str], now: float
) -> tuple[Published, ...]:
    """Drop what may go by the policy, in the function's history; what is routed, tagged, the newest, ``in_use`` or
    what a rollback would go to stays.
    """
    _lock(session, function)  # nobody routes meanwhile to what is dropped
    ways = back(session, function)
    kept = {*ways.now.traffic.names(), ways.now.latest, *in_use, *(ways.last_good() or ())}
    going = collectable(ways.versions, kept, policy, now)
    for each in going:
        session.rows("DELETE FROM revisions WHERE name = ?", each.name)
        session.rows("DELETE FROM archives WHERE name = ?", each.name)
    if going:
        names = ", ".join(sorted(each.name for each in going))
        change = Change(function=function, what=f"collected {names}", who="gateway")
        moving.note(session, change, next_number(session), now)
    return tuple(going)


def _lock(session: Session, function: str) -> None:
    """The function's row, made if need be, ours until the transaction ends."""
    session.rows(
        "INSERT INTO functions (name, numbered, latest, folder, version, block, changed)"
        " VALUES (?, 0, '', '', 0, ?, 0) ON CONFLICT (name) DO UPDATE SET numbered = functions.numbered",
        *(function, moving.encoded(LATEST.block())),
    )


def _next(session: Session, function: str) -> int:
    sql = "UPDATE functions SET numbered = numbered + 1 WHERE name = ? RETURNING numbered"
    return int(session.rows(sql, function)[0][0])


def _number(name: str) -> int:
    return int(name.rpartition("-")[2])


def _latest(session: Session, function: str) -> Published | None:
    found = row(session, "SELECT latest FROM functions WHERE name = ?", function)
    return _by(session, function, "name", found[0]) if found else None


def _by(session: Session, function: str, column: str, value: str) -> Published | None:
    sql = f"SELECT {_COLUMNS} FROM revisions WHERE function = ? AND {column} = ?"  # noqa: S608
    found = row(session, sql, function, value)
    return _published(found) if found else None


def _published(found: Row) -> Published:
    return Published(**dict(zip(_COLUMNS.split(", "), found, strict=True)))
