"""Endpoints follow their resolver, and no failure of it ever takes one away."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bff.config import ServiceConfig
from bff.services.discovery.follower import LONGEST_RETRY, Failure, Follower, in_order, retry_in
from bff.services.discovery.lastgood import LastGood
from bff.services.following import identity_of
from bff.services.resolver import OWN, Address, Found, NotResolved, find, kinds
from bff.testing.clock import ManualClock, settle

pytestmark = pytest.mark.anyio


def at(*hosts: str) -> tuple[Address, ...]:
    return tuple(Address(host=host, port=80) for host in hosts)


class Told:
    """A resolver that gives its answers one after the other, the last one for ever."""

    timeout = 4.0

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked = 0
        self.closed = False

    async def resolve(self) -> Found:
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        if answer == "hangs":
            await asyncio.Event().wait()
        return Found(addresses=answer, ttl=10.0)

    async def aclose(self) -> None:
        self.closed = True


class Following:
    """A follower that runs, what it passed on and what it told."""

    def __init__(self, resolver: Any, *, kept: Any = None, clock: ManualClock | None = None) -> None:
        self.clock = clock or ManualClock()
        self.obeyed: list[Sequence[str]] = []
        self.told: list[Failure] = []
        self.follower = Follower(
            "users",
            make=resolver if callable(resolver) else lambda: resolver,
            obey=lambda addresses: self.obeyed.append([each.host for each in addresses]),
            tell=self.told.append,
            clock=self.clock,
            random=Random(1),
            kept=kept,
        )

    async def __aenter__(self) -> Following:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        self.task = asyncio.ensure_future(self.follower.run())
        await self.turn()
        return self

    async def turn(self, seconds: float = 0.0) -> None:
        """Let time pass, and threads finish."""
        await self._rest()
        await self.clock.advance(seconds)
        await self._rest()

    @staticmethod
    async def _rest() -> None:
        """There is one thread, so what was given to it before this has been done after it: reading, making a resolver,
        writing.
        """
        for _ in range(4):
            await settle()
            await asyncio.to_thread(int)
        await settle()

    async def __aexit__(self, *_: object) -> None:
        self.task.cancel()
        await asyncio.wait({self.task})


async def test_what_changes_is_passed_on_and_what_does_not_is_not() -> None:
    """Asked again when the answer's time is over; shuffled records are no news."""
    resolver = Told(at("a", "b"), at("b", "a"), at("b", "c"))
    async with Following(resolver) as following:
        await following.turn(9.9)
        assert resolver.asked == 1
        await following.turn(20.2)
        assert following.obeyed == [["a", "b"], ["b", "c"]]
        assert following.told == []
    assert resolver.closed


@pytest.mark.parametrize(
    "failure", [NotResolved("the registry is away"), (), "hangs", ValueError("a bug of the resolver")]
)
async def test_a_failed_query_is_never_a_removal(failure: Any) -> None:
    """No answer, an answer that names nobody, silence, and a resolver's own bug: the list stays, operators are told,
    and the next good answer counts."""
    async with Following(Told(at("a", "b"), failure, failure, at("c"))) as following:
        for _ in range(6):
            await following.turn(10.0)
        assert following.obeyed == [["a", "b"], ["c"]]
        assert [each.kept for each in following.told] == [2, 2]
        assert following.follower.failures == 0
        assert all(each.why for each in following.told)


async def test_a_resolver_that_swallows_its_cancellation_is_left_all_the_same() -> None:
    """As dnspython does where the answer comes in the same turn (python/cpython#86296): nobody is asked again."""

    class Stubborn(Told):
        async def resolve(self) -> Found:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            return await super().resolve()

    resolver = Stubborn(at("a"))
    async with Following(resolver) as following:
        following.task.cancel()
        await following.turn()
        assert following.task.cancelled()
    assert (resolver.asked, resolver.closed) == (1, True)


@pytest.mark.parametrize("answer", [at("a"), NotResolved("away")])
async def test_calls_wait_for_the_first_answer_and_no_longer(answer: Any) -> None:
    """A list, or the news that there is none: then a call fails at once instead of at its deadline."""
    gate = asyncio.Event()

    class Slow(Told):
        async def resolve(self) -> Found:
            await gate.wait()
            return await super().resolve()

    async with Following(Slow(answer)) as following:
        settled = asyncio.ensure_future(following.follower.settled())
        await following.turn()
        assert not settled.done()
        gate.set()
        await following.turn()
        assert settled.done()


async def test_a_start_without_the_registry_uses_the_last_good_list(tmp_path: Path) -> None:
    """Written when it was good, read before anybody is asked."""
    kept = LastGood(tmp_path / ".bff" / "endpoints", "users", "consul:users")
    async with Following(Told(at("a", "b")), kept=kept) as following:
        await following.turn()
    async with Following(Told(NotResolved("away")), kept=kept) as again:
        await again.turn(60.0)
        assert again.obeyed == [["a", "b"]]
        assert len(again.told) > 3


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "nonsense",
        json.dumps({"format": 1, "question": "q", "endpoints": [["a"]]}),
        json.dumps({"format": 2, "question": "q", "endpoints": [["a", 80, 1, {}]]}),
        json.dumps({"format": 1, "question": "another", "endpoints": [["a", 80, 1, {}]]}),
        json.dumps({"format": 1, "question": "q", "endpoints": None}),
    ],
)
def test_a_file_that_cannot_be_used_is_no_list(tmp_path: Path, text: str) -> None:
    """Half-written, of another version, or of another question."""
    (tmp_path / "users.json").write_text(text)
    assert LastGood(tmp_path, "users", "q").read() == ()


@given(
    st.lists(
        st.builds(
            Address,
            host=st.text(min_size=1, max_size=20),
            port=st.integers(1, 65535),
            weight=st.floats(0.1, 100),
            labels=st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3),
        ),
        max_size=5,
    )
)
def test_what_is_kept_is_what_is_read(
    tmp_path_factory: pytest.TempPathFactory, addresses: list[Address]
) -> None:
    """Weights, labels and strange hosts included."""
    kept = LastGood(tmp_path_factory.getbasetemp(), "kept", "q")
    kept.write(tuple(addresses))
    assert kept.read() == tuple(addresses)


def test_several_may_keep_a_list_at_the_same_time(tmp_path: Path) -> None:
    """Every place of a service with subsets follows by itself, and all of them hear of news at once."""
    kept = [LastGood(tmp_path, "users", "q") for _ in range(4)]

    def write(number: int) -> None:
        kept[number % 4].write(at(*"abcdefgh"))
        assert kept[number % 4].read() == at(*"abcdefgh")

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(write, range(200)))
    assert [each.name for each in tmp_path.iterdir()] == ["users.json"]


CONSUL = {
    "type": "consul",
    "name": "users",
    "server": "http://c:8500",
    "options": {"tag": "blue", "token": "a"},
}


def identity(url: str = "http://users:81", **changed: Any) -> str:
    return identity_of(ServiceConfig.model_validate({"url": url, "discovery": {**CONSUL, **changed}}))


def test_a_list_is_for_the_question_it_answered() -> None:
    """Another tag, server, name or port is another question; another token is not, and none can be read from it."""
    known = identity()
    others = [
        identity("http://users:82"),
        identity(type="nacos"),
        identity(name="other"),
        identity(server="http://d:8500"),
        identity(options={"tag": "green", "token": "a"}),
        identity(options={"tag": "blue", "datacenter": "2", "token": "a"}),
    ]
    assert len({known, *others}) == 7
    assert identity(options={"token": "b", "tag": "blue"}) == known
    assert "blue" not in known


async def test_a_disk_that_is_full_costs_the_memory_of_it_only(tmp_path: Path) -> None:
    """The endpoints are used all the same, and operators hear of it."""
    blocked = tmp_path / "file"
    blocked.write_text("")
    async with Following(Told(at("a")), kept=LastGood(blocked, "users", "q")) as following:
        assert following.obeyed == [["a"]]
        assert "not kept on disk" in following.told[0].why


async def test_a_resolver_that_cannot_be_made_is_told_with_its_remedy() -> None:
    """And made again later: somebody may install what is missing."""

    def missing() -> Any:
        raise NotResolved("needs dnspython; pip install 'bff-gateway[dns]'")

    async with Following(missing) as following:
        await following.turn(5.0)
        assert len(following.told) > 1
        assert "pip install" in following.told[0].why


@given(st.integers(1, 2000), st.integers())
def test_the_wait_after_failures_is_bounded(failures: int, seed: int) -> None:
    """Half a second and doubling, fifteen at most, never less than half of that."""
    wait = retry_in(failures, Random(seed))
    assert 0.25 <= wait <= LONGEST_RETRY
    if failures > 6:
        assert wait >= LONGEST_RETRY / 2


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 3), st.floats(1, 9)), max_size=12))
def test_each_endpoint_stands_once_and_the_order_is_always_the_same(
    given_: list[tuple[str, int, float]],
) -> None:
    """Whatever order a registry has."""
    addresses = [Address(host=host, port=port, weight=weight) for host, port, weight in given_]
    ordered = in_order(addresses)
    keys = [each.key for each in ordered]
    assert keys == sorted(set(keys))
    assert {each.key for each in addresses} == set(keys)


@pytest.mark.parametrize("kind", OWN)
def test_every_kind_of_ours_can_be_found(kind: str) -> None:
    """By its name in routes.yaml."""
    assert callable(find(kind))
    assert kind in kinds()


def test_a_package_can_bring_a_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By an entry point in ``bff.resolvers``, from a real distribution on the path."""
    info = tmp_path / "eureka_for_bff-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: eureka-for-bff\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[bff.resolvers]\neureka = eureka_for_bff:make\n")
    (tmp_path / "eureka_for_bff.py").write_text("def make(question):\n    return question.name\n")
    monkeypatch.syspath_prepend(tmp_path)
    make = find("eureka")
    assert make is not None
    assert "eureka" in kinds()
    assert find("zookeeper") is None
