"""Runs of pipelines move on: plain functions inside somebody's transaction.

The row of a run is the lock: of the parts of a step that end at the same time, on whichever gateways, exactly one
finds that it is the last, and begins the next step in the transaction that writes its own end.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from pydantic_core import to_json

from bff.events import accepting, handing, keeping, pipelines
from bff.events.claims import Claims
from bff.events.picking import places
from bff.events.pipelines import Broken, Claim, Done, Step
from bff.events.records import Result, Run
from bff.frozen import frozen
from bff.revisions.store.database import Row, Session, row

_AT_ONCE = 500
"""Values that one sentence asks for."""
_DONE = "UPDATE runs SET done = done + 1, updated = ? WHERE key = ? AND step = ? RETURNING done, total, plan"
_RUN = "SELECT key, pipeline, state, step, total, done, created, updated, why FROM runs"


@frozen
class Ended:
    """A part of a run that has ended: with this answer, or dead, and ``why``."""

    done: Done
    result: Result
    why: str = ""


def follow(session: Session, ended: Sequence[Ended], now: float, claims: Claims | None = None) -> None:
    """Parts of steps have ended: where it was the last one of its step, the next one begins, or the run has ended; a part
    that is dead fails its run.
    """
    for each in ended:
        if each.why:
            fail(session, each.done, each.why, now)
        elif each.done.step < 0:
            _begin(session, each.done, each.result, now, claims)
    parts = [each for each in ended if not each.why and each.done.step >= 0]
    found = session.many(_DONE, [(now, each.done.run, each.done.step) for each in parts])
    for each, rows in zip(parts, found, strict=True):
        if rows and rows[0][0] == rows[0][1]:
            done, plan = each.done, pipelines.read(rows[0][2])
            one = [pipelines.value_of(each.result)]
            outputs = one if rows[0][1] == 1 else _outputs(session, done.pipeline, done.run, done.step)
            _go_on(session, done, plan, outputs, now, claims)


def _begin(session: Session, done: Done, result: Result, now: float, claims: Claims | None) -> None:
    session.rows(
        "INSERT INTO runs (key, pipeline, plan, state, step, total, done, created, updated, why)"
        " VALUES (?, ?, ?, 'running', -1, 0, 0, ?, ?, '') ON CONFLICT (key) DO NOTHING",
        *(done.run, done.pipeline, done.plan, now, now),
    )
    _go_on(session, done, pipelines.read(done.plan), [pipelines.value_of(result)], now, claims)


def _go_on(
    session: Session,
    done: Done,
    plan: Sequence[Step],
    outputs: Sequence[Any],
    now: float,
    claims: Claims | None,
) -> None:
    """Begin the step after this one, or end the run: what cannot be handed on fails it."""
    try:
        step, parts, data = handing.next_parts(plan, done.step, outputs, done.run, claims)
    except Broken as why:
        _end(session, done.run, "failed", str(why), now)
        return
    if not parts:
        keeping.keep(session, done.run, _as_result(data))
        _end(session, done.run, "succeeded", "", now)
        return
    session.rows(
        "UPDATE runs SET state = 'running', why = '', step = ?, total = ?, done = 0, updated = ? WHERE key = ?",
        *(step, len(parts), now, done.run),
    )
    pins = dict(zip(plan[step].functions, plan[step].pins, strict=False))
    accepting.add(session, pipelines.incoming_of(done.pipeline, done.run, step, parts, pins=pins), now)


def _as_result(data: Any) -> Result:
    if isinstance(data, Claim):
        kind, key = data.kind.encode("latin-1"), data.key.encode()
        return Result(status=200, headers=[(b"content-type", kind), (pipelines.CLAIM, key)], body=b"")
    is_raw = isinstance(data, bytes)
    kind = b"application/octet-stream" if is_raw else b"application/json"
    return Result(status=200, headers=[(b"content-type", kind)], body=data if is_raw else to_json(data))


def _outputs(session: Session, pipeline: str, run: str, step: int) -> list[Any]:
    """What the parts of a step answered, in their order."""
    source, trigger = pipelines.source_of(pipeline, run), pipelines.trigger_of(pipeline, step)
    found = session.rows(
        "SELECT r.status, r.headers, r.body, r.is_cut FROM events e JOIN deliveries d ON d.event = e.key"
        " LEFT JOIN results r ON r.delivery = d.key WHERE e.source = ? AND d.trigger_name = ? ORDER BY d.key",
        *(source, trigger),
    )
    return [None if each[0] is None else pipelines.value_of(keeping.read(each)) for each in found]


def fail(session: Session, done: Done, why: str, now: float) -> None:
    """A part of a step is dead, and the run with it, until somebody lets it begin anew."""
    _end(session, done.run, "failed", f"step {done.step}: {why}", now)


def _end(session: Session, run: str, state: str, why: str, now: float) -> None:
    session.rows("UPDATE runs SET state = ?, why = ?, updated = ? WHERE key = ?", state, why, now, run)


def runs(session: Session, pipeline: str, limit: int) -> list[Run]:
    """The newest runs of a pipeline."""
    sql = f"{_RUN} WHERE pipeline = ? ORDER BY key DESC LIMIT ?"
    return [_run(each) for each in session.rows(sql, pipeline, limit)]


def run(session: Session, key: str) -> Run | None:
    """One run."""
    found = row(session, f"{_RUN} WHERE key = ?", key)
    return _run(found) if found else None


def _run(found: Row) -> Run:
    names = ("key", "pipeline", "state", "step", "total", "done", "created", "updated", "why")
    return Run(**dict(zip(names, found, strict=True)))


def kept(session: Session, keys: Collection[str]) -> list[str]:
    """Which of these runs are kept."""
    found: list[str] = []
    asked = sorted(keys)
    for at in range(0, len(asked), _AT_ONCE):
        some = asked[at : at + _AT_ONCE]
        sql = f"SELECT key FROM runs WHERE key IN ({places(some)})"  # noqa: S608 - places only
        found += [key for (key,) in session.rows(sql, *some)]
    return found


def resume(session: Session, run: Run, now: float) -> int:
    """Let what is dead or cancelled of a run begin anew, from the step where it stands; how many parts those are."""
    source = pipelines.source_of(run.pipeline, run.key)
    found = session.rows(
        "UPDATE deliveries SET state = 'waiting', is_open = 1, due = ?, base = attempts, updated = ?"
        " WHERE state IN ('dead', 'cancelled') AND event IN (SELECT key FROM events WHERE source = ?)"
        " RETURNING key",
        *(now, now, source),
    )
    if found:
        _end(session, run.key, "running", "", now)
    return len(found)


def cancel(session: Session, run: Run, now: float) -> list[str]:
    """End what is open of a run; which deliveries those are."""
    source = pipelines.source_of(run.pipeline, run.key)
    found = session.rows(
        "UPDATE deliveries SET state = 'cancelled', is_open = 0, holder = '', updated = ?"
        " WHERE is_open = 1 AND event IN (SELECT key FROM events WHERE source = ?) RETURNING key",
        *(now, source),
    )
    if run.state == "running":
        _end(session, run.key, "cancelled", "", now)
    return [key for (key,) in found]


def answer(session: Session, run: str) -> Any:
    """What the last step of a run answered."""
    kept = keeping.result(session, run)
    if kept is None:
        return None
    value = pipelines.value_of(kept)
    if isinstance(value, Claim):
        return {pipelines.DATAREF: value.key}
    return "bytes" if isinstance(value, bytes) else value
