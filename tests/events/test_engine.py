"""The engine's promises, on SQLite and on PostgreSQL: nothing twice, nothing lost, one holder at a time."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from bff.events.engine import StoreEngine
from bff.events.queues import Reach
from bff.events.records import Accepted, Claimed, Sought, State, Wanted
from bff.sdk.eventfailures import BacklogFull
from bff.sdk.gcra import Rate
from bff.testing import ManualClock
from tests.events.conftest import Open, in_memory, incoming, settled, wanted

pytestmark = pytest.mark.anyio
PLENTY = 1000


async def take(engine: StoreEngine, asked: Wanted | None = None) -> tuple[Claimed, ...]:
    return (await engine.take(asked or wanted(), looks_first=False)).claimed


async def test_an_event_is_stored_once_with_its_deliveries(open_engine: Open) -> None:
    """The same id of the same source again changes nothing; of another source it is another event."""
    engine = open_engine()
    assert await engine.enqueue([incoming(1, "mail", "log")], backlog=PLENTY) == [
        Accepted(key="k0001", is_new=True)
    ]
    again = await open_engine().enqueue(
        [incoming(1, "mail", key="other"), incoming(1, "mail", key="k9", source="/t")], backlog=PLENTY
    )
    assert again == [Accepted(key="k0001", is_new=False), Accepted(key="k9", is_new=True)]
    taken = await take(engine)
    assert [(each.key, each.trigger, each.attempt) for each in taken] == [
        ("k0001.0", "mail", 1),
        ("k0001.1", "log", 1),
        ("k9.0", "mail", 1),
    ]


async def test_a_delivery_has_one_holder_at_a_time(open_engine: Open) -> None:
    """Many gateways that ask at the same time share them out."""
    engines = [open_engine() for _ in range(4)]
    await engines[0].enqueue([incoming(n, "mail") for n in range(40)], backlog=PLENTY)
    taken = await asyncio.gather(
        *(take(engine, wanted(f"g{n}", 7)) for n, engine in enumerate(engines) for _ in range(2))
    )
    keys = [claimed.key for each in taken for claimed in each]
    assert len(keys) == len(set(keys)) == 40


async def test_a_lease_that_ended_passes_on_and_its_old_holder_is_not_heard(open_engine: Open) -> None:
    """What the old holder says afterwards changes nothing, and stores nothing of what it published."""
    old, new = open_engine(), open_engine()
    await old.enqueue([incoming(1, "mail")], backlog=PLENTY)
    (first,) = await take(old, wanted("old", lease=0.0))
    (second,) = await take(new, wanted("new"))
    assert (second.key, second.attempt) == (first.key, 2)
    late = settled(first, holder="old", published=(incoming(2, "mail"),))
    assert not await old.settle(late)
    assert await new.settle(settled(second, holder="new"))
    shown = await new.status("k0001")
    assert shown is not None
    assert shown.deliveries[0].state is State.DELIVERED
    assert [(each.number, each.gateway, each.ended is None) for each in shown.attempts[first.key]] == [
        (1, "old", True),
        (2, "new", False),
    ]
    assert await new.status("k0002") is None


async def test_a_renewed_lease_stays(open_engine: Open) -> None:
    engine = open_engine()
    await engine.enqueue([incoming(1, "mail")], backlog=PLENTY)
    await take(engine, wanted("a", lease=0.0))
    assert await engine.renew("a", ["k0001.0", "other"], 60.0) == {"k0001.0"}
    assert await engine.renew("b", ["k0001.0"], 60.0) == frozenset()
    assert await take(engine, wanted("b")) == ()


async def test_what_is_tried_again_waits_until_its_time(open_engine: Open) -> None:
    """And tells how long that is."""
    engine = open_engine()
    await engine.enqueue([incoming(1, "mail")], backlog=PLENTY)
    (claimed,) = await take(engine)
    await engine.settle(settled(claimed, State.WAITING, delay=1000.0))
    taken = await engine.take(wanted(), looks_first=True)
    assert taken.claimed == ()
    assert taken.next_in == pytest.approx(1000.0, abs=60.0)


async def test_what_an_attempt_published_is_stored_with_its_end(open_engine: Open) -> None:
    engine = open_engine()
    await engine.enqueue([incoming(1, "mail")], backlog=PLENTY)
    (claimed,) = await take(engine)
    await engine.settle(settled(claimed, published=(incoming(2, "after"),)))
    assert [each.key for each in await take(engine)] == ["k0002.0"]


async def test_a_gateway_that_stops_gives_back_what_it_had_and_that_attempt_does_not_count(
    open_engine: Open,
) -> None:
    engine = open_engine()
    await engine.enqueue([incoming(1, "mail")], backlog=PLENTY)
    await take(engine, wanted("a"))
    await engine.hand_back("a")
    (claimed,) = await take(engine, wanted("b"))
    assert claimed.attempt == 1


async def test_triggers_have_as_many_as_there_is_room_for(open_engine: Open) -> None:
    """A trigger without room does not stand in the way of others, however long its queue is."""
    engine = open_engine()
    await engine.enqueue([incoming(n, "slow") for n in range(20)], backlog=PLENTY)
    await engine.enqueue([incoming(50, "fast")], backlog=PLENTY)
    taken = await take(engine, wanted(free=5, slow=2))
    assert sorted(each.trigger for each in taken) == ["fast", "slow", "slow"]
    assert await take(engine, wanted(free=5, slow=0)) == ()
    assert (await engine.take(wanted(free=5, slow=0), looks_first=True)).claimed == ()


async def test_events_of_one_lane_are_delivered_one_after_the_other(open_engine: Open) -> None:
    """A retry of the first keeps the second waiting; another lane goes on."""
    engine = open_engine()
    await engine.enqueue([incoming(n, "mail", lane="mail:a") for n in (1, 2)], backlog=PLENTY)
    await engine.enqueue([incoming(3, "mail", lane="mail:b")], backlog=PLENTY)
    taken = await take(engine)
    assert [each.key for each in taken] == ["k0001.0", "k0003.0"]
    await engine.settle(settled(taken[0], State.WAITING, delay=1000.0))
    assert await take(engine) == ()
    await engine.cancel("k0001")
    assert [each.key for each in await take(engine)] == ["k0002.0"]


async def test_a_paused_trigger_gets_nothing_until_it_is_resumed(open_engine: Open) -> None:
    """Whichever gateway was told; what came meanwhile is there."""
    engine, other = open_engine(), open_engine()
    await other.pause("mail", "ann")
    await engine.enqueue([incoming(1, "mail", "log")], backlog=PLENTY)
    assert [each.trigger for each in await take(engine)] == ["log"]
    assert list(await engine.paused()) == ["mail"]
    await engine.resume("mail")
    assert [each.trigger for each in await take(engine)] == ["mail"]


async def test_a_full_backlog_refuses_all_or_nothing(open_engine: Open) -> None:
    """Nothing is stored then; events that nobody gets are always taken."""
    engine = open_engine()
    await engine.enqueue([incoming(1, "mail"), incoming(2, "mail")], backlog=3)
    with pytest.raises(BacklogFull):
        await engine.enqueue([incoming(3, "mail"), incoming(4, "mail")], backlog=3)
    assert await engine.status("k0003") is None
    await engine.enqueue([incoming(5)], backlog=3)
    await engine.enqueue([incoming(6, "mail")], backlog=3)


async def test_dead_deliveries_begin_anew_and_are_remembered(open_engine: Open) -> None:
    """Their tries are counted from none, their attempts go on, so that an old one cannot be taken for a new one."""
    engine = open_engine()
    await engine.enqueue([incoming(1, "mail"), incoming(2, "mail")], backlog=PLENTY)
    for claimed in await take(engine):
        await engine.settle(settled(claimed, State.DEAD))
    assert await engine.redrive(Sought(before="k0001")) == 1
    (again,) = await take(engine)
    assert (again.key, again.attempt, again.tries) == ("k0001.0", 2, 1)
    assert await engine.redrive(Sought(trigger="mail")) == 1
    assert await engine.redrive(Sought(trigger="mail")) == 0


async def test_a_cancelled_delivery_hears_no_more_of_its_attempt(open_engine: Open) -> None:
    engine = open_engine()
    await engine.enqueue([incoming(1, "mail")], backlog=PLENTY)
    (claimed,) = await take(engine)
    assert await engine.cancel("k0001") == 1
    assert not await engine.settle(settled(claimed))
    shown = await engine.status("k0001")
    assert shown is not None
    assert shown.deliveries[0].state is State.CANCELLED


async def test_events_are_listed_newest_first_and_by_what_became_of_them(open_engine: Open) -> None:
    engine = open_engine()
    await engine.enqueue([incoming(1, "mail"), incoming(2, "log", kind="u"), incoming(3)], backlog=PLENTY)
    for claimed in await take(engine):
        await engine.settle(settled(claimed, State.DEAD if claimed.trigger == "mail" else State.DELIVERED))

    async def keys(**sought: object) -> list[str]:
        return [kept.key for kept, _ in await engine.list(Sought(**sought))]  # type: ignore[arg-type]

    assert await keys() == ["k0003", "k0002", "k0001"]
    assert await keys(limit=1, before="k0003") == ["k0002"]
    assert await keys(type="u") == ["k0002"]
    assert await keys(but="u") == ["k0003", "k0001"]
    assert [await keys(type="u", within=n) for n in (1, 2, 9)] == [[], ["k0002"], ["k0002"]]
    assert await keys(before="k0003", within=1) == ["k0002"]
    assert await keys(state="dead", but="t") == await keys(state="dead", before="k0001") == []
    assert await keys(state="dead", trigger="log") == []
    assert await keys(state="dead", type="t", trigger="mail") == ["k0001"]
    assert await keys(state="dead") == ["k0001"]
    assert await keys(trigger="log", state="delivered") == ["k0002"]
    assert await keys(source="/nowhere") == []
    assert await engine.counts(list(State)) == {("mail", "dead"): 1, ("log", "delivered"): 1}
    assert await engine.counts([State.DEAD]) == {("mail", "dead"): 1}


async def test_what_ended_long_ago_is_forgotten_and_what_is_open_is_not(open_engine: Open) -> None:
    engine = open_engine()
    await engine.enqueue([incoming(1, "mail"), incoming(2, "log"), incoming(3)], backlog=PLENTY)
    for claimed in await take(engine):
        if claimed.trigger == "mail":
            await engine.settle(settled(claimed))
    assert await engine.expire(0.0, 100) == 0
    assert await engine.expire(1e12, 1) == 1
    assert await engine.expire(1e12, 100) == 1
    assert [kept.key for kept, _ in await engine.list(Sought())] == ["k0002"]
    assert (await engine.status("k0001")) is None


async def test_dead_letters_can_be_thrown_away(open_engine: Open) -> None:
    """Of one trigger or all; an event that still has something open stays."""
    engine = open_engine()
    await engine.enqueue(
        [incoming(1, "mail", "log"), incoming(2, "mail"), incoming(3, "log")], backlog=PLENTY
    )
    for claimed in await take(engine):
        if claimed.key != "k0001.1":
            await engine.settle(settled(claimed, State.DEAD))
    assert await engine.purge(Sought(state="dead", trigger="mail")) == 1
    assert await engine.purge(Sought(state="dead")) == 1
    assert [kept.key for kept, _ in await engine.list(Sought())] == ["k0001"]


async def test_in_memory_it_lives_by_the_clock_it_is_given() -> None:
    """The same code, where a test moves the time: a lease and a wait of a day end at once."""
    clock = ManualClock()
    engine = in_memory(clock)
    await engine.enqueue([incoming(1, "mail")], backlog=PLENTY)
    (claimed,) = await take(engine)
    await engine.settle(settled(claimed, State.WAITING, delay=86_400.0))
    assert (await engine.take(wanted(), looks_first=True)).next_in == 86_400.0
    await clock.leap(86_400.0)
    assert [each.attempt for each in await take(engine)] == [2]


async def test_a_process_takes_what_is_in_its_queues(open_engine: Open) -> None:
    """What is in others' stays, however long it waits."""
    engine = open_engine()
    await engine.enqueue([incoming(1, "mail", "resize", "page")], backlog=PLENTY)
    images = replace(wanted("images"), reach=Reach(only=("resize",)))
    rest = replace(wanted("rest"), reach=Reach(never=("resize", "mail")))
    nothing = replace(wanted("none"), reach=Reach(only=()))
    assert await take(engine, nothing) == ()
    assert [each.function for each in await take(engine, rest)] == ["page"]
    assert [each.function for each in await take(engine, images)] == ["resize"]
    assert (await engine.take(images, looks_first=True)).next_in != 0.0


async def test_a_rate_is_counted_over_all_processes(open_engine: Open) -> None:
    """Two at once, and the next when its time has come; another trigger does not wait for it."""
    engine, other = open_engine(), open_engine()
    await engine.enqueue([incoming(n, "mail") for n in range(5)], backlog=PLENTY)
    rates = {"mail": Rate(interval=1000.0, burst=2)}
    asked = replace(wanted(), rates=rates)
    assert len(await take(engine, asked)) == 2
    assert await take(other, replace(asked, holder="b")) == ()
    seen = await other.take(asked, looks_first=True)
    assert seen.next_in == pytest.approx(60.0, abs=30.0), "the lease's end comes first"
    await engine.enqueue([incoming(9, "log")], backlog=PLENTY)
    assert [each.trigger for each in await take(other, asked)] == ["log"]


async def test_in_memory_a_rate_opens_by_the_clock() -> None:
    clock = ManualClock()
    engine = in_memory(clock)
    await engine.enqueue([incoming(n, "mail") for n in range(3)], backlog=PLENTY)
    asked = replace(wanted(lease=1e6), rates={"mail": Rate(interval=10.0, burst=1)})
    for _ in range(2):
        taken = await engine.take(asked, looks_first=False)
        assert (len(taken.claimed), taken.next_in) == (1, 10.0)
        await clock.leap(10.0)
    assert len(await take(engine, asked)) == 1


async def test_what_runs_here_is_not_taken_again_when_the_clock_is_set(open_engine: Open) -> None:
    """Its lease looks as if it had ended; another process may take it, this one knows better."""
    engine = open_engine()
    await engine.enqueue([incoming(1, "mail")], backlog=PLENTY)
    (claimed,) = await take(engine, wanted(lease=0.0))
    assert await take(engine, replace(wanted(), running=(claimed.key,))) == ()
    assert len(await take(engine, wanted("b"))) == 1


async def test_attempts_that_nobody_ended_are_counted(open_engine: Open) -> None:
    """Since it was redriven: perhaps it is what ends its gateways."""
    engine = open_engine()
    await engine.enqueue([incoming(1, "mail")], backlog=PLENTY)
    lost = [(await take(engine, wanted(lease=0.0)))[0].lost for _ in range(3)]
    assert lost == [0, 1, 2]
    (claimed,) = await take(engine, wanted())
    await engine.settle(settled(claimed, State.DEAD))
    await engine.redrive(Sought(before="k0001"))
    assert [each.lost for each in await take(engine)] == [0]


@pytest.mark.parametrize("at", [3600.0, 2.0])
async def test_a_clock_that_is_set_back_keeps_nothing_waiting(at: float) -> None:
    """What waits does so for as long as it was meant to, and the lease of who died ends when it would have. A
    correction of a second changes nothing.
    """
    clock = ManualClock()
    engine = in_memory(clock)
    await engine.enqueue([incoming(1, "mail"), incoming(2, "log"), incoming(3, "page")], backlog=PLENTY)
    mail, *_ = await take(engine, wanted(free=2))
    await engine.settle(settled(mail, State.WAITING, delay=100.0))
    clock._wall -= at
    assert await engine.set_back(60.0)
    assert not await engine.set_back(60.0)
    taken = await engine.take(wanted(), looks_first=False)
    assert ([each.trigger for each in taken.claimed], taken.next_in) == (["page"], 60.0)
    await clock.leap(60.0)
    assert {each.trigger for each in await take(engine)} == {"log", "page"}
    await clock.leap(40.0)
    assert [each.trigger for each in await take(engine)] == ["mail"]
    clock._wall -= 0.5
    assert not await engine.set_back(60.0)


async def test_what_is_written_rings_where_there_is_something_to_do() -> None:
    """Events with deliveries, what a part of a run leads to, and what begins anew; nothing that others cannot take."""
    from bff.revisions.store.bell import Silent

    class Counting(Silent):
        rung = 0

        def ring(self) -> None:
            self.rung += 1

    bell = Counting()
    engine = StoreEngine(in_memory(ManualClock()).store, bell)
    await engine.enqueue([incoming(1)], backlog=PLENTY)
    assert bell.rung == 0
    await engine.enqueue([incoming(2, "mail")], backlog=PLENTY)
    assert bell.rung == 1
    (claimed,) = await take(engine)
    await engine.settle(settled(claimed, State.DEAD))
    assert bell.rung == 1
    await engine.redrive(Sought(before="k0002"))
    (claimed,) = await take(engine)
    await engine.settle(settled(claimed, published=(incoming(3, "log"),)))
    assert bell.rung == 3
