"""A name is one process's at a time."""

from __future__ import annotations

import asyncio
import os
import platform

import pytest

from bff.events.tenure import LEASE, Tenure
from bff.revisions.store.store import Store
from bff.sdk.eventfailures import NameTaken
from bff.testing import ManualClock
from tests.events.conftest import store_in_memory

pytestmark = pytest.mark.anyio


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def store(clock: ManualClock) -> Store:
    return store_in_memory(clock)


async def test_who_is_alive_keeps_its_name(store: Store, clock: ManualClock) -> None:
    """The second one hears it, with the place of the first, as soon as that has renewed it."""
    first = Tenure(store, holder="far/1/images", clock=clock)
    await first.begin()
    holding = asyncio.create_task(first.hold(lambda: None))
    second = asyncio.create_task(Tenure(store, holder="near/2/images", clock=clock).begin())
    await Tenure(store, holder="near/2/other", clock=clock).begin()
    await clock.advance(LEASE)
    with pytest.raises(NameTaken, match=r"named images and is alive: far/1 "):
        await second
    holding.cancel()


async def test_who_died_without_a_word_is_succeeded_when_its_lease_ends(
    store: Store, clock: ManualClock
) -> None:
    await Tenure(store, holder="far/1/images", clock=clock).begin()
    second = asyncio.create_task(Tenure(store, holder="near/2/images", clock=clock).begin())
    await clock.advance(LEASE - 2)
    assert not second.done()
    await clock.advance(4)
    await second


async def test_who_has_ended_on_this_machine_is_succeeded_at_once(store: Store, clock: ManualClock) -> None:
    """A process id of ours that is another holder's was somebody's before us; and who leaves gives its name back."""
    pid = f"{platform.node()}/{os.getpid()}"
    await Tenure(store, holder=f"{platform.node()}/{2**22 + 1}/images", clock=clock).begin()
    ours = Tenure(store, holder=f"{pid}/images", clock=clock)
    await ours.begin()
    await ours.end()
    await Tenure(store, holder="far/1/images", clock=clock).begin()


async def test_who_lost_its_name_is_told(store: Store, clock: ManualClock) -> None:
    """It was stopped for longer than the lease, and another one has taken it."""
    lost: list[str] = []
    first = Tenure(store, holder="far/1/images", clock=clock)
    await first.begin()
    await clock.leap(LEASE + 1)
    await Tenure(store, holder="near/2/images", clock=clock).begin()
    holding = asyncio.create_task(first.hold(lambda: lost.append("it")))
    await clock.advance(LEASE)
    await holding
    assert lost == ["it"]
