"""What the admin listener tells of what happens to the gateway itself, and of what is broken now."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from bff.admin.journal import MOST_WATCHERS, JournalPages
from bff.admin.journalshapes import HappeningShape, NewsShape
from bff.admin.refusals import Busy
from bff.signals import ConfigApplied, ConfigRejected, LoadFailed, RevisionReady, Signals
from bff.telemetry.journal import Journal
from bff.testing import ManualClock
from tests.admin.conftest import admin_office
from tests.admin.test_recordings import Now, asked

pytestmark = pytest.mark.anyio

FAILED = LoadFailed(function="home", report="functions/home.py:3: NameError", serving="home-dev-1")


class Home:
    """A function with a failure that a test mends."""

    failure: str | None = "functions/home.py:3: NameError"

    def status(self) -> dict[str, object]:
        return {"name": "home", "revision": "home-dev-1", "failure": self.failure}


@pytest.fixture
def signals() -> Signals:
    return Signals()


@pytest.fixture
def journal(signals: Signals) -> Journal:
    made = Journal(clock=ManualClock())
    made.listen(signals)
    return made


async def test_it_is_listed_newest_first_and_what_came_after_a_number(
    journal: Journal, signals: Signals, anyio_backend: str
) -> None:
    """Bounded by ``limit``."""
    async with admin_office(journal=journal) as asking:
        for count in range(4):
            signals.emit(ConfigApplied(routes=count))
        signals.emit(FAILED)
        told = [HappeningShape.model_validate(each) for each in (await asking("GET", "/v1/journal")).json()]
        assert [each.seq for each in told] == [5, 4, 3, 2, 1]
        assert (told[0].what, told[0].subject, told[0].bad) == ("load-failed", "home", True)
        assert told[0].report == "functions/home.py:3: NameError"
        assert [each["seq"] for each in (await asking("GET", "/v1/journal?after=3")).json()] == [5, 4]
        assert [each["seq"] for each in (await asking("GET", "/v1/journal?limit=1")).json()] == [5]


def pages(journal: Journal, home: Home, clock: ManualClock) -> JournalPages:
    return JournalPages(journal, lambda: {"home": home}, clock=clock, is_ready=lambda: True)


async def test_what_was_saved_as_it_was_is_mended_in_silence(journal: Journal, signals: Signals) -> None:
    """No revision becomes ready, and yet nothing is broken any more."""
    home = Home()
    told = pages(journal, home, ManualClock())
    signals.emit(FAILED)
    signals.emit(LoadFailed(function="gone", report="x", serving=None))  # it was deleted since
    signals.emit(ConfigRejected(mistakes=("routes.yaml:3:1: unknown key", "another")))
    assert [(each.subject, each.report, each.serving) for each in told.broken()] == [
        ("", "routes.yaml:3:1: unknown key\nanother", None),
        ("home", "functions/home.py:3: NameError", "home-dev-1"),
    ]
    home.failure = None
    signals.emit(ConfigApplied(routes=1))
    assert told.broken() == []


async def news(stream: AsyncGenerator[bytes, None]) -> dict[str, Any]:
    event = await anext(stream)
    assert event.startswith(b"event: news\n"), event
    told: dict[str, Any] = json.loads(event.partition(b"data: ")[2])
    NewsShape.model_validate(told)
    return told


async def watching(told: JournalPages, **query: Any) -> AsyncGenerator[bytes, None]:
    [listing, _] = told.operations()
    reply = await listing.run(asked(**query))
    assert not isinstance(reply.body, bytes)
    return reply.body


async def test_who_watches_hears_at_once_what_is_broken_and_then_what_happens(
    journal: Journal, signals: Signals
) -> None:
    """Also when something is mended in silence; with nothing to say, a beat."""
    home = Home()
    signals.emit(FAILED)
    stream = await watching(pages(journal, home, Now()))
    first = await news(stream)
    assert ([each["subject"] for each in first["broken"]], first["happened"]) == (["home"], [])
    signals.emit(RevisionReady(function="other", revision="other-dev-2", digest="d", seconds=0.01))
    assert [each["subject"] for each in (await news(stream))["happened"]] == ["other"]
    home.failure = None
    assert await news(stream) == {"happened": [], "broken": []}
    assert (await anext(stream)).startswith(b": still here")
    await stream.aclose()


async def test_a_stream_that_broke_off_goes_on_after_the_last_event(
    journal: Journal, signals: Signals
) -> None:
    """A number from another life of the gateway begins now."""
    for count in range(3):
        signals.emit(ConfigApplied(routes=count))
    told = pages(journal, Home(), Now())
    for after, expected in ((1, [2, 3]), (999, [])):
        stream = await watching(told, after=after)
        assert [each["seq"] for each in (await news(stream))["happened"]] == expected
        await stream.aclose()


async def test_so_many_watch_and_no_more(journal: Journal) -> None:
    """The next one is told so, and there is room again when one leaves."""
    told = pages(journal, Home(), Now())
    streams = [await watching(told) for _ in range(MOST_WATCHERS)]
    for stream in streams:
        await anext(stream)
    with pytest.raises(Busy):
        await watching(told)
    for stream in streams:
        await stream.aclose()
    await (await watching(told)).aclose()
