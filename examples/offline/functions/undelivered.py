"""Keeps what could not be mailed, with the reason, for somebody who can telephone."""

from bff import CloudEvent

from ._accounts import accounts


def handle(event: CloudEvent) -> None:
    with accounts() as table:
        table.execute(
            "INSERT OR IGNORE INTO undelivered (event, owner, why) VALUES (?, ?, ?)",
            (event.id, event.subject, event.extensions["knativeerrordata"]),
        )
