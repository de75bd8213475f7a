"""How a call or a run stands, found with one look: plain functions inside somebody's transaction."""

from __future__ import annotations

from bff.events import pipelines, running
from bff.events.following import Seen, numbered
from bff.events.records import OPEN, Going, Progress, Standing, State
from bff.revisions.store.database import Row, Session, row

MOST_GOING = 20
"""Parts of a run that are told of while they run."""
_CALL = (
    "SELECT e.key, e.accepted, d.function, d.state, d.attempts, r.status, p.at, p.done, p.total, p.note"
    " FROM events e JOIN deliveries d ON d.event = e.key LEFT JOIN progress p ON p.delivery = d.key"
    " LEFT JOIN results r ON r.delivery = d.key WHERE e.key = ? ORDER BY d.key LIMIT 1"
)
_GOING = (
    "SELECT d.key, d.trigger_name, d.function, d.attempts, p.at, p.done, p.total, p.note"
    " FROM events e JOIN deliveries d ON d.event = e.key LEFT JOIN progress p ON p.delivery = d.key"
    " WHERE e.source = ? AND d.state = 'running' ORDER BY d.key LIMIT ?"
)


def call(session: Session, key: str) -> Standing | None:
    """How a call stands."""
    found = row(session, _CALL, key)
    return None if found is None else _standing(found)


def _standing(found: Row) -> Standing:
    key, accepted, function, state, attempts, status, *said = found
    state = State(state)
    return Standing(
        key=key,
        accepted=accepted,
        function=function,
        state=state,
        attempts=attempts,
        status=None if state in OPEN else status,
        progress=progress_of(said),
    )


def progress_of(said: Row) -> Progress | None:
    """What a row says of how far something is: at, done, total, note; None where it never said."""
    at, done, total, note = said
    return None if at is None else Progress(at=at, done=done, total=total, note=note)


def call_followed(session: Session, key: str, heard: int) -> Seen | None:
    """The same for who follows it, and has heard of that number."""
    found = row(session, _CALL, key)
    if found is None:
        return None
    number, standing = numbered(*found), _standing(found)
    told = None if number == heard else standing
    return Seen(number=number, told=told, is_over=standing.state not in OPEN)


def run_followed(session: Session, key: str, heard: int) -> Seen | None:
    """How a run stands, and those of its parts that run; ``told`` is both."""
    found = running.run(session, key)
    if found is None:
        return None
    going: list[Row] = []
    if found.state == "running":
        going = session.rows(_GOING, pipelines.source_of(found.pipeline, key), MOST_GOING)
    number = numbered(found, *map(tuple, going))
    told = None if number == heard else (found, tuple(map(_going, going)))
    return Seen(number=number, told=told, is_over=found.state != "running")


def _going(found: Row) -> Going:
    key, trigger, function, attempts, *said = found
    return Going(key=key, trigger=trigger, function=function, attempts=attempts, progress=progress_of(said))
