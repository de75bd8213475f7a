"""What the disk, other processes and kill -9 do to a store in a file: nothing acknowledged is lost, nothing is
half written, and every refusal says what is wrong and what helps.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bff.clock import SystemClock
from bff.errors import problem
from bff.revisions.store import sqlite
from bff.revisions.store.database import Database
from bff.revisions.store.failures import StoreBroken, StoreUnavailable
from bff.revisions.store.records import Change
from bff.revisions.store.schema import MIGRATIONS
from bff.revisions.store.sqlite import SQLite
from bff.revisions.store.store import Store
from bff.revisions.traffic import LATEST, Target, Traffic
from bff.runtime.threads import Threads
from tests.revisions.store.conftest import Open, candidate

VICTIM = Path(__file__).with_name("victim.py")
NOBODY = 65534

pytestmark = pytest.mark.anyio


@contextmanager
def victim(where: Path | str, *words: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, VICTIM, str(where), *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def said(where: Path | str, *words: str) -> list[str]:
    """The lines of a victim that ended, however it did."""
    with victim(where, *words) as process:
        lines = process.communicate(timeout=60)[0].splitlines()
        assert process.returncode in (0, -signal.SIGKILL)
        return lines


file_only = pytest.mark.parametrize("where", ["file"], indirect=True)


def sentences(last: int) -> list[tuple[str, int]]:
    """Every sentence in a file, some of them on PostgreSQL, where a process takes longer to begin."""
    return [("file", n) for n in range(1, last + 1)] + [("postgres", n) for n in (3, last - 1, last)]


async def everything(store: Store) -> object:
    return await store.versions("home"), await store.history("home", limit=500), await store.everything()


@pytest.mark.parametrize(("where", "sentence"), sentences(10), indirect=["where"])
async def test_a_publish_that_is_killed_leaves_nothing(
    open_store: Open, where: Path | str, sentence: int
) -> None:
    """With every sentence on its way, up to the one before the commit."""
    store = open_store()
    await store.publish([candidate("aa")])
    before = await everything(store)
    lines = said(where, "die", str(sentence), "publish", "bb")
    if lines:
        assert sentence > 9, "it has nine sentences"
    else:
        assert await everything(store) == before
    assert (await store.publish([candidate("cc")]))[0].name == f"home-{2 + len(lines):05d}"


@pytest.mark.parametrize(("where", "sentence"), sentences(8), indirect=["where"])
async def test_a_move_that_is_killed_leaves_nothing(
    open_store: Open, where: Path | str, sentence: int
) -> None:
    store = open_store()
    for digest in ("aa", "bb"):
        await store.publish([candidate(digest)])
    before = await everything(store)
    lines = said(where, "die", str(sentence), "move", "40")
    if lines:
        assert sentence > 7, "it has seven sentences"
    else:
        assert await everything(store) == before


async def test_what_was_acknowledged_before_kill_9_is_there(open_store: Open, where: Path | str) -> None:
    """Killed somewhere in a row of publishes, again and again; all that it said it did was done, in order."""
    told: list[str] = []
    for round_ in range(4):
        with victim(where, "publish", *(f"{n}" for n in range(1000))) as process:
            assert process.stdout is not None
            told += [process.stdout.readline().strip() for _ in range(1 + 3 * round_)]
            os.kill(process.pid, signal.SIGKILL)
            told += process.stdout.read().splitlines()
            process.wait(60)
    store = open_store()
    kept = {each.name: each.digest for each in await store.versions("home")}
    for line in told:
        name, digest = line.split()
        assert kept[name] == digest
        assert (await store.archive("home", name))[1] == digest.encode() * 1000
    assert len(kept) - len(told) in range(5), "at most one more in each round, done but not yet told"
    assert [each.number for each in await store.versions("home")] == list(range(1, len(kept) + 1))
    assert len(await store.history("home", limit=5000)) == len(kept)


async def test_traffic_that_was_acknowledged_before_kill_9_is_there(
    open_store: Open, where: Path | str
) -> None:
    store = open_store()
    for digest in ("aa", "bb"):
        await store.publish([candidate(digest)])
    with victim(where, "move", *(f"{n % 101}" for n in range(5000))) as process:
        assert process.stdout is not None
        told = [process.stdout.readline() for _ in range(10)]
        os.kill(process.pid, signal.SIGKILL)
        told += process.stdout.read().splitlines()
        process.wait(60)
    version, percent = map(int, told[-1].split())
    state = await store.traffic("home")
    assert state.version in (version, version + 1)
    assert state.traffic.targets[0].percent == percent + (state.version - version)
    moves = [entry for entry in await store.history("home", limit=5000) if entry.after]
    assert len(moves) == state.version - 1, "the second publication was the first change"
    assert moves[0].after == state.traffic.block()


async def test_two_processes_publish_at_once(open_store: Open, where: Path | str) -> None:
    """On a store that is not there yet: one makes it, both use it, names are unique and have no gaps."""
    words = [f"{n}" for n in range(25)]
    with victim(where, "publish", *words) as one, victim(where, "publish", *words) as two:
        lines = [line for each in (one, two) for line in each.communicate(timeout=60)[0].splitlines()]
    assert len(lines) == 50
    assert sorted(line.split()[0] for line in lines) == [f"home-{n:05d}" for n in range(1, 51)]


@file_only
async def test_a_locked_store_is_told_and_comes_back(
    store: Store, where: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading goes on; a write waits a while, then says so and has changed nothing."""
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT", 0.05)
    await store.publish([candidate("aa")])
    with victim(where, "hold") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(
            StoreUnavailable, match=r"state\.db is locked by another process\. Find out"
        ) as caught:
            await store.publish([candidate("bb")])
        assert (caught.value.status, caught.value.retryable) == (503, True)
        assert len(await store.versions("home")) == 1
    assert (await store.publish([candidate("bb")]))[0].name == "home-00002"


@file_only
async def test_a_full_store_is_told_and_comes_back(open_store: Open, where: Path, tmp_path: Path) -> None:
    """What did not fit is not there at all; what was there stays; with room again it goes on."""
    database = SQLite(where, wall=SystemClock.wall)
    thread = Threads("bff-store", 1)
    store = Store(database, thread=thread, clock=SystemClock())
    await store.publish([candidate("aa")])
    set_quota(database, 40)
    for function in ("home", "news"):
        with pytest.raises(StoreUnavailable, match=r"state\.db is full\. Make room on its disk\."):
            await store.publish([candidate("b" * 40_000, function)])
    assert len(await store.versions("home")) == 1
    assert await store.versions("news") == ()
    set_quota(database, 1_000_000)
    assert (await store.publish([candidate("b" * 40_000)]))[0].name == "home-00002"
    await store.close()
    thread.close()


def set_quota(database: Database, pages: int) -> None:
    with database.reading() as session:
        session.rows(f"PRAGMA max_page_count = {pages}")


@file_only
async def test_a_read_only_store_is_told(open_store: Open, where: Path) -> None:
    """By a process that turned into another user, for root may write everywhere."""
    await open_store().publish([candidate("aa")])
    for file in [where.parent, *where.parent.parents][:3]:
        file.chmod(0o755)
    where.chmod(0o444)
    words = ("as", str(NOBODY)) if os.geteuid() == 0 else ()
    with victim(where, *words, "publish", "bb") as process:
        _, error = process.communicate(timeout=60)
    assert "StoreUnavailable: The state store" in error
    assert (
        "Make its file and its folder writable for this user." in error or "Make its folder writable" in error
    )


@file_only
@pytest.mark.parametrize("damage", [b"", b"this is no database at all, whatever its name says" * 100])
async def test_a_damaged_store_is_told_and_left_alone(open_store: Open, where: Path, damage: bytes) -> None:
    """It says which file and what to do, and does not begin anew over what could perhaps be saved."""
    first = open_store()
    await first.publish([candidate("aa")])
    await first.close()
    content = where.read_bytes()
    # Either no database, or one whose pages were overwritten.
    where.write_bytes(damage or content[:4096] + b"\xff" * (len(content) - 4096))
    kept = where.read_bytes()
    with pytest.raises(StoreBroken, match=r"state\.db is damaged.*Put a copy back") as caught:
        await open_store().versions("home")
    assert (caught.value.status, caught.value.retryable) == (500, False)
    assert where.read_bytes() == kept


@file_only
async def test_a_store_of_a_newer_version_is_refused(open_store: Open, where: Path) -> None:
    """Old code must not write into tables that it does not know."""
    await open_store().publish([candidate("aa")])
    with sqlite3.connect(where) as connection:
        connection.execute("INSERT INTO migrations (version, applied) VALUES (?, 0)", (len(MIGRATIONS) + 1,))
    connection.close()
    with pytest.raises(StoreBroken, match="written by a newer bff"):
        await open_store().versions("home")


@file_only
async def test_a_file_that_is_taken_away_while_in_use_is_noticed(open_store: Open, where: Path) -> None:
    """Else it would go on in a file without a name, and lose what it acknowledges."""
    store = open_store()
    await store.publish([candidate("aa")])
    where.rename(where.with_name("moved.db"))
    with pytest.raises(StoreUnavailable, match=r"was removed or replaced while in use\. Restart the gateway"):
        await store.publish([candidate("bb")])
    assert not where.exists()


@file_only
async def test_only_its_owner_can_read_the_files(store: Store, where: Path) -> None:
    """They hold source code and the hashes of tokens."""
    await store.publish([candidate("aa")])
    assert {file.name for file in where.parent.iterdir()} == {"state.db", "state.db-wal", "state.db-shm"}
    assert {file.stat().st_mode & 0o777 for file in where.parent.iterdir()} == {0o600}
    assert where.parent.stat().st_mode & 0o777 == 0o700


@file_only
async def test_commits_reach_the_disk(where: Path) -> None:
    """WAL, and a sync with every commit: NORMAL would acknowledge what a loss of power takes back."""
    database = SQLite(where, wall=SystemClock.wall)
    with database.reading() as session:
        assert session.rows("PRAGMA journal_mode") == [("wal",)]
        assert session.rows("PRAGMA synchronous") == [(2,)]
    database.close()


async def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    thread = Threads("bff-store", 1)
    where = tmp_path / "file/state.db"
    store = Store(SQLite(where, wall=SystemClock.wall), thread=thread, clock=SystemClock())
    with pytest.raises(StoreUnavailable, match="cannot be opened: "):
        await store.open()
    thread.close()


async def test_a_store_in_memory_leaves_nothing(tmp_path: Path) -> None:
    thread = Threads("bff-store", 1)
    store = Store(SQLite(None, wall=SystemClock.wall), thread=thread, clock=SystemClock(), is_ephemeral=True)
    await store.publish([candidate("aa")])
    traffic = Traffic((Target(revision="home-dev-1", percent=100),))
    await store.move(Change(function="home", what="traffic", who="ann", traffic=traffic))
    assert (await store.traffic("home")).traffic != LATEST
    await store.close()
    assert list(tmp_path.iterdir()) == []
    thread.close()


@file_only
async def test_callers_are_not_told_where_the_store_is(open_store: Open, where: Path) -> None:
    """Operators are, with the remedy; a first call that needs the store has strangers as readers."""
    store = open_store()
    await store.open()
    where.rename(where.with_name("elsewhere.db"))
    with pytest.raises(StoreUnavailable) as refused:
        await store.versions("home")
    outside, inside = problem(refused.value), problem(refused.value, is_inside=True)
    assert outside["detail"] == "The gateway's state store cannot be used now; the gateway's log says why."
    assert str(where) in inside["detail"]
    assert outside | {"detail": ""} == inside | {"detail": ""}
