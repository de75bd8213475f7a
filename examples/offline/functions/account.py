"""Writes down that an account was upgraded and its owner told. Doing it twice changes nothing."""

from bff import CloudEvent

from ._accounts import accounts


def handle(event: CloudEvent) -> None:
    with accounts() as table:
        table.execute(
            "UPDATE accounts SET plan = ?, mail = ? WHERE owner = ?",
            (event.data["plan"], event.data["mail"], event.subject),
        )
