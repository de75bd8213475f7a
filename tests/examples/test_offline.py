"""The jobs of examples/offline: mail through a real SMTP server, pictures by Pillow in processes, a warm cache."""

from __future__ import annotations

import asyncio
import runpy
import shutil
import sqlite3
from collections.abc import AsyncIterator
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP
from PIL import Image

from bff.testing import AsyncClient, ManualClock, StubServices, client
from bff.testing.inprocess import inside

pytestmark = pytest.mark.anyio
EXAMPLE = Path(__file__).parents[2] / "examples/offline"
DAY = 86_400.0


class Postman:
    """What a mail server does with what it gets. Mutable state: ``mails``."""

    def __init__(self) -> None:
        self.mails: list[Message] = []

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        self.mails.append(message_from_bytes(envelope.content))
        return "250 OK"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example as somebody copies it, with three pictures."""
    copy = tmp_path / "offline"
    shutil.copytree(EXAMPLE, copy)
    runpy.run_path(str(copy / "prepare.py"))["prepare"](copy, pictures=3)
    monkeypatch.chdir(copy)
    return copy


@pytest.fixture
async def postman() -> AsyncIterator[tuple[Postman, asyncio.Server]]:
    """A mail server on a port of its own."""
    office = Postman()
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(office, hostname="localhost"), "127.0.0.1", 0
    )
    yield office, server
    server.close()
    await server.wait_closed()


def rows(folder: Path, sql: str) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(folder / "accounts.db")
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


async def upgrade(page: AsyncClient, number: int, owner: str = "ann@example.com") -> None:
    said = {
        "id": str(number),
        "source": "/shop",
        "type": "account.upgraded",
        "specversion": "1.0",
        "subject": owner,
    }
    headers = {f"ce-{name}": value for name, value in said.items()}
    assert (await page.post("/events", json={"plan": "pro"}, headers=headers)).status_code == 202


async def test_an_upgrade_is_mailed_and_then_written_down(
    folder: Path, postman: tuple[Postman, asyncio.Server]
) -> None:
    """Through SMTP, once however often the event is sent; the account changes when the mail is out. While mail is down
    nothing changes, and after a day of tries the event is where somebody looks.
    """
    office, server = postman
    environ = {"SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(server.sockets[0].getsockname()[1])}
    stubs = StubServices()
    stubs.shop.get("/popular").answers([])  # the schedule runs meanwhile
    async with client(folder, clock=ManualClock(), environ=environ, stubs=stubs) as page:
        await upgrade(page, 1)
        await upgrade(page, 1)
        await page.deliver(DAY)
        (mail,) = office.mails
        assert (mail["To"], mail["Subject"]) == ("ann@example.com", "Welcome to pro")
        assert rows(folder, "SELECT owner, plan, mail FROM accounts ORDER BY owner") == [
            ("ann@example.com", "pro", mail["Message-ID"].strip("<>").partition("@")[0]),
            ("bo@example.com", "free", None),
        ]
        server.close()
        await upgrade(page, 2, "bo@example.com")
        await page.deliver(2 * DAY)
        tries = [each for each in page.invocations if each.function == "mail" and each.revision]
    assert len(tries) == 1 + 9
    assert len(office.mails) == 1
    assert rows(folder, "SELECT plan FROM accounts WHERE owner = 'bo@example.com'") == [("free",)]
    ((event, owner, why),) = rows(folder, "SELECT event, owner, why FROM undelivered")
    assert (event.partition(".")[0], owner) == ("2", "bo@example.com")
    assert why == "Function mail raised an error."


async def test_pictures_go_through_their_stages(folder: Path) -> None:
    """By Pillow, in processes of their own, with progress; one that is broken stops the run until it is mended."""
    (folder / "in/01.png").write_bytes(Image.new("RGB", (4, 4)).tobytes())
    text = (folder / "routes.yaml").read_text()
    (folder / "routes.yaml").write_text(
        text.replace("function: probe", "function: probe, delivery: { retry: 0 }")
    )
    async with inside(folder) as way:
        events = way._house.events
        stages = way._house.offline.stages()
        assert events is not None
        assert stages is not None
        key = await stages.start("images", {"folder": str(folder / "in")})
        await way.deliver(60)
        run = await stages.show(key)
        assert (run["state"], run["step"]) == ("failed", 0), "its head cannot be read"
        shutil.copy(folder / "in/00.png", folder / "in/01.png")
        assert await stages.resume(key) == 1
        await way.deliver(60)
        run = await stages.show(key)
        resized = next(part for part in run["parts"] if part["function"] == "resize")
        await events.progressing.close()
        progress = await events.engine.progress(resized["key"])
    assert (run["state"], run["answer"]["pictures"]) == ("succeeded", 3)
    assert run["answer"]["after"] < run["answer"]["before"]
    for path in sorted((folder / "small").glob("*.webp")):
        with Image.open(path) as picture:
            assert (picture.format, picture.size) == ("WEBP", (320, 240))
    assert len(list((folder / "small").iterdir())) == 6, "no draft is left"
    assert progress is not None
    assert progress.total == 2


async def test_the_cache_is_warm_before_anybody_asks(folder: Path) -> None:
    """Every five minutes; then a page asks the shop for nothing."""
    stubs = StubServices()
    stubs.shop.get("/popular", params={"most": 20}).answers([7, 8])
    for number in (7, 8):
        stubs.shop.get(f"/products/{number}").answers({"number": number})
    clock = ManualClock(wall=1_767_225_600.0 + 200)
    async with client(folder, stubs=stubs, clock=clock) as page:
        await page.deliver(1)
        assert stubs.shop.calls == []
        await clock.leap(100)
        await page.deliver(1)
        asked = len(stubs.shop.calls)
        assert asked == 3
        answer = await page.get("/product/8")
        assert (answer.status_code, answer.json()) == (200, {"number": 8})
        assert len(stubs.shop.calls) == asked
