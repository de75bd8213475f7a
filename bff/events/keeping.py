"""Results and progress are kept: plain functions inside somebody's transaction."""

from __future__ import annotations

import json
from collections.abc import Mapping

from bff.events.records import Progress, Result
from bff.revisions.store.database import Row, Session, row


def keep(session: Session, delivery: str, result: Result) -> None:
    """Keep what was answered, instead of what an earlier attempt was."""
    fields = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in result.headers]
    session.rows(
        "INSERT INTO results (delivery, status, headers, body, is_cut) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (delivery) DO UPDATE SET status = excluded.status, headers = excluded.headers,"
        " body = excluded.body, is_cut = excluded.is_cut",
        *(delivery, result.status, json.dumps(fields), result.body, int(result.is_cut)),
    )


def result(session: Session, delivery: str) -> Result | None:
    """What was answered, if anything was."""
    found = row(session, "SELECT status, headers, body, is_cut FROM results WHERE delivery = ?", delivery)
    return None if found is None else read(found)


def read(found: Row) -> Result:
    """A row of results: status, headers, body and whether it is cut."""
    status, fields, body, is_cut = found
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in json.loads(fields)]
    return Result(status=status, headers=headers, body=bytes(body), is_cut=bool(is_cut))


def tell(session: Session, told: Mapping[str, Progress]) -> None:
    """How far these deliveries are."""
    for delivery, said in sorted(told.items()):
        session.rows(
            "INSERT INTO progress (delivery, at, done, total, note) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (delivery) DO UPDATE SET at = excluded.at, done = excluded.done,"
            " total = excluded.total, note = excluded.note",
            *(delivery, said.at, said.done, said.total, said.note),
        )


def progress(session: Session, delivery: str) -> Progress | None:
    """How far a delivery said that it is."""
    found = row(session, "SELECT at, done, total, note FROM progress WHERE delivery = ?", delivery)
    return None if found is None else Progress(at=found[0], done=found[1], total=found[2], note=found[3])
