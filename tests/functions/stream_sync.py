"""A plain generator, run in a thread."""

from collections.abc import Iterator


def handle(count: int = 3) -> Iterator[dict]:
    for number in range(count):
        yield {"number": number}
