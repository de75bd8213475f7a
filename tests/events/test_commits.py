"""Group commit: who comes at the same time shares a transaction, and nobody suffers from another's mistake."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from bff.events.commits import MOST_TOGETHER, Commits
from bff.revisions.store.failures import StoreUnavailable

pytestmark = pytest.mark.anyio


class Disk:
    """A store that counts its transactions. Mutable state: ``transactions``, ``away``."""

    def __init__(self) -> None:
        self.transactions = 0
        self.away = False

    async def write(self, verb: Callable[..., Any]) -> Any:
        await asyncio.sleep(0)
        if self.away:
            raise StoreUnavailable("is away")
        self.transactions += 1
        return verb(None, 5.0)


async def test_who_comes_together_is_written_together() -> None:
    """Each gets its own result; one that comes alone has a transaction of its own."""
    disk = Disk()
    commits = Commits(disk)
    results = await asyncio.gather(
        *(commits.run(lambda _session, now, n=n: (n, now)) for n in range(100))  # type: ignore[misc]
    )
    assert results == [(n, 5.0) for n in range(100)]
    assert disk.transactions == 1
    assert await commits.run(lambda *_: "alone") == "alone"
    assert disk.transactions == 2


async def test_a_transaction_has_a_bound() -> None:
    disk = Disk()
    commits = Commits(disk)
    await asyncio.gather(*(commits.run(lambda *_: None) for _ in range(MOST_TOGETHER + 1)))
    assert disk.transactions == 2


async def test_one_that_fails_undoes_nobody_else() -> None:
    """Each is tried by itself then, and the culprit hears what it did."""
    commits = Commits(Disk())

    def broken(*_: Any) -> None:
        raise ValueError("mine")

    said = await asyncio.gather(
        commits.run(lambda *_: 1), commits.run(broken), commits.run(lambda *_: 2), return_exceptions=True
    )
    assert said[0] == 1
    assert isinstance(said[1], ValueError)
    assert said[2] == 2


async def test_a_store_that_is_away_is_told_to_everybody() -> None:
    """And the next write is tried again."""
    disk = Disk()
    commits = Commits(disk)
    disk.away = True
    said = await asyncio.gather(*(commits.run(lambda *_: 1) for _ in range(3)), return_exceptions=True)
    assert [type(each) for each in said] == [StoreUnavailable] * 3
    assert len({id(each) for each in said}) == 3
    disk.away = False
    assert await commits.run(lambda *_: 1) == 1


async def test_who_leaves_does_not_undo_what_was_asked() -> None:
    """Nor does it disturb the others; close waits until all of it is written."""
    done: list[int] = []
    commits = Commits(Disk())
    leaving = asyncio.create_task(commits.run(lambda *_: done.append(1)))
    staying = asyncio.create_task(commits.run(lambda *_: done.append(2)))
    await asyncio.sleep(0)
    leaving.cancel()
    await commits.close()
    await staying
    assert done == [1, 2]
