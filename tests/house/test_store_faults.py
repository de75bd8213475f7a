"""The whole house on a file that fails while it serves: calls go on by what was last in force, cold revisions too;
changes are refused with the reason and change nothing; what can be mended goes on.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import pytest

from bff.revisions.store import sqlite
from bff.revisions.store.failures import StoreBroken, StoreUnavailable
from bff.revisions.store.store import Store
from tests.house.inside import Inside, inside
from tests.house.test_store import ROUTES, says, so

pytestmark = pytest.mark.anyio

FILES = {
    "routes.yaml": f"{ROUTES}- {{path: /cold, function: cold}}\n",
    "functions/home.py": says("one"),
    "functions/cold.py": says("cold") + "def check() -> bool:\n    return True\n",
}
LARGE = f"{says('three')}NOISE = '{random.Random(1).randbytes(100_000).hex()}'\n"


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": True}


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long a write waits for the lock is not what is asked here."""
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT", 0.05)


def pragma(store: Store | None, *sentences: str) -> None:
    """Said to the gateway's own connection."""
    assert store is not None
    with store._database.reading() as session:
        for sentence in sentences:
            session.rows(f"PRAGMA {sentence}")


@contextmanager
def locked(store: Store | None, file: Path) -> Iterator[None]:
    """Another process in the middle of a write."""
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    yield
    connection.close()


@contextmanager
def read_only(store: Store | None, file: Path) -> Iterator[None]:
    """SQLite's own refusal: a mode of the file would not stop root."""
    pragma(store, "query_only = ON")
    yield
    pragma(store, "query_only = OFF")


@contextmanager
def full(store: Store | None, file: Path) -> Iterator[None]:
    """No page more than there are."""
    pragma(store, "max_page_count = 1")  # SQLite raises it to what is there
    yield
    pragma(store, "max_page_count = 1000000")


@contextmanager
def damaged(store: Store | None, file: Path) -> Iterator[None]:
    """Everything but the first page is overwritten, and nothing of it is remembered."""
    with sqlite3.connect(file) as connection:
        while connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
            pass  # somebody reads
    connection.close()
    with file.open("r+b") as content:
        content.seek(4096)
        content.write(b"\xff" * (file.stat().st_size - 4096))
    pragma(store, "shrink_memory")
    yield


@contextmanager
def taken_away(store: Store | None, file: Path) -> Iterator[None]:
    file.rename(file.with_name("moved.db"))
    yield
    file.with_name("moved.db").rename(file)


Fault = Callable[[Store | None, Path], AbstractContextManager[None]]
FAULTS: list[tuple[Fault, str, int]] = [
    (locked, "is locked by another process", 503),
    (read_only, "is read-only", 503),
    (full, "is full", 503),
    (damaged, "is damaged", 500),
    (taken_away, "was removed or replaced while in use", 503),
]


async def two_revisions(served: Inside) -> None:
    """home-00002 has the calls, of home-00001 nobody has heard since, and nobody ever called ``cold``."""
    assert await served.revision() == "home-00001"
    await served.deploy("home", says("two"))

    async def is_settled() -> bool:
        return "cold" in served.house.publisher.in_force.states

    await so(is_settled, within=60)
    assert served.house.invoker.functions["cold"].live is None


@pytest.mark.parametrize(("fault", "why", "status"), FAULTS, ids=lambda each: getattr(each, "__name__", ""))
async def test_a_store_that_fails_while_serving_stops_no_traffic(
    tmp_path: Path, fault: Fault, why: str, status: int
) -> None:
    """Warm, woken again and for the first time; deploys are refused by name, and are possible once it is mended."""
    async with inside(tmp_path, FILES, keeps_state=True) as served:
        await two_revisions(served)
        home = served.house.invoker.functions["home"]
        before = home.routing
        with fault(served.house.store, tmp_path / ".bff/state.db"):
            assert await served.revision() == "home-00002"
            home.rest()
            assert not home.lives.are_warm
            assert await served.revision() == "home-00002"
            assert await served.revision("/cold") == "cold-00001"
            with pytest.raises(StoreUnavailable, match=why) as refused:
                await served.deploy("home", LARGE)
            assert (refused.value.status, isinstance(refused.value, StoreBroken)) == (status, status == 500)
            if fault is not full:  # a line or two may still fit
                with pytest.raises(StoreUnavailable, match=why):
                    await served.rollback("home")
            assert home.routing is before
            assert await served.revision() == "home-00002"
        if fault is not damaged:
            made = await served.deploy("home", LARGE)
            assert (made.is_new, await served.revision()) == (True, made.name)
            await served.rollback("home", "home-00001")
            assert await served.revision() == "home-00001"


async def test_a_gateway_starts_on_a_store_that_it_can_only_read(tmp_path: Path) -> None:
    """What was last in force serves; files that are new wait, and are published once somebody can write."""
    async with inside(tmp_path, FILES, keeps_state=True) as served:
        await two_revisions(served)
    changed = {**FILES, "functions/home.py": says("new")}
    with ExitStack() as held:
        held.enter_context(locked(None, tmp_path / ".bff/state.db"))
        async with inside(tmp_path, changed, keeps_state=True) as served:
            assert await served.revision() == "home-00002"
            assert await served.revision("/cold") == "cold-00001"
            with pytest.raises(StoreUnavailable, match="is locked"):
                await served.rollback("home", "home-00001")
            assert await served.revision() == "home-00002"
            held.close()

            async def is_published() -> bool:
                return (await served.client.get("/home")).text == "new"

            await so(is_published, within=60)
