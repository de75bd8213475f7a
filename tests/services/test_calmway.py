"""What passes through obeys what the service's calls obey: endpoints, breakers, places. Connections are played here."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bff.config import ServiceConfig
from bff.sdk.failures import NoHealthyEndpoint, ServiceConnectionLost, ServiceOverloaded, ServiceUnreachable
from bff.services.budget import BudgetPolicy, RetryBudget
from bff.services.bulkhead import Bulkhead
from bff.services.calmway import CalmWay
from bff.services.endpoints import EndpointSet
from bff.services.passing import Exchange, Onward
from bff.services.policies import policies
from bff.services.resolver import Address
from bff.testing.clock import ManualClock, settle

pytestmark = pytest.mark.anyio

Answers = Callable[[str, Onward], Any]


class PlayedExchange:
    """An answer of an endpoint; whether it was closed can be seen."""

    fields: list[tuple[bytes, bytes]] = []

    def __init__(self, status: int, endpoint: str, *, switches: bool) -> None:
        self.status = status
        self.endpoint = endpoint
        self.duplex: Any = object() if switches else None
        self.is_closed = False

    def whole(self) -> bytes | None:
        return b"ok"

    async def parts(self) -> AsyncIterator[bytes]:
        yield b"ok"

    async def aclose(self) -> None:
        self.is_closed = True


class Town:
    """A service with endpoints 1, 2, …, whose answers the test decides. ``asked`` are the ports that were."""

    def __init__(self, answers: Answers | None = None, *, ports: int = 1, **config: Any) -> None:
        self.answers = answers or (lambda _, onward: 101 if onward.upgrade else 200)
        self.clock = ManualClock()
        self.asked: list[str] = []
        asked = policies(ServiceConfig.model_validate({"url": "http://users", **config}))
        self.endpoints = EndpointSet("users", asked, self._wire, clock=self.clock, random=Random(5))
        self.endpoints.update([Address(host="h", port=port) for port in range(1, ports + 1)])
        self.places = Bulkhead(asked.bulkhead.most)
        self.tunnels = Bulkhead(asked.bulkhead.max_websockets)
        self.way = CalmWay(
            "users",
            self.endpoints,
            places=self.places,
            tunnels=self.tunnels,
            budget=RetryBudget(BudgetPolicy()),
            attempts=asked.retry.attempts,
            clock=self.clock,
            timeout_header="x-left-ms",
        )

    def _wire(self, address: Address) -> Any:
        return PlayedWire(self, str(address))

    async def get(self, **said: Any) -> Exchange:
        return await self.way.open(Onward(method="GET", path=b"/", fields=[], **said))

    async def status(self, **said: Any) -> int:
        exchange = await self.get(**said)
        await exchange.aclose()
        return exchange.status

    @property
    def taken(self) -> tuple[int, int, int]:
        """Places, tunnels, and what the endpoints believe to be under way."""
        return self.places.inside, self.tunnels.inside, sum(each.active for each in self.endpoints.members)


class PlayedWire:
    def __init__(self, town: Town, name: str) -> None:
        self._town = town
        self._name = name
        self.way = self

    async def open(self, onward: Onward) -> Exchange:
        self._town.asked.append(self._name)
        answer = self._town.answers(self._name, onward)
        if asyncio.iscoroutine(answer):
            answer = await answer
        if isinstance(answer, BaseException):
            raise answer
        return PlayedExchange(answer, self._name, switches=answer == 101)

    async def exchange(self, *_: Any) -> Any:
        raise AssertionError("nothing is called here")

    async def aclose(self) -> None:
        """Nothing is open."""


async def test_all_endpoints_are_used_and_the_answer_names_its_own() -> None:
    """By the balancer of the service's calls: two that are equally busy share what comes."""
    town = Town(ports=3, balance={"policy": "round_robin"})
    exchanges = [await town.get() for _ in range(6)]
    assert sorted(exchange.endpoint for exchange in exchanges) == ["h:1", "h:1", "h:2", "h:2", "h:3", "h:3"]
    assert town.taken == (6, 0, 6)
    for exchange in exchanges:
        assert exchange.whole() == b"ok"
        assert [part async for part in exchange.parts()] == [b"ok"]
        await exchange.aclose()
        await exchange.aclose()  # a second time gives nothing back twice
    assert town.taken == (0, 0, 0)


@pytest.mark.parametrize(
    ("answer", "opens"),
    [
        (503, True),
        (ServiceConnectionLost("users"), True),
        (ServiceUnreachable("users"), True),
        (500, False),
        (404, False),
        (429, False),
        (ValueError("the caller's body"), False),
    ],
    ids=str,
)
async def test_outcomes_count_as_those_of_calls_do(answer: Any, opens: bool) -> None:
    """Five in a row and the endpoint is left alone; what is the caller's or one path's fault does not count."""
    town = Town(lambda *_: answer)
    for _ in range(5):
        try:
            assert await town.status() == answer
        except Exception as error:
            assert error is answer  # noqa: PT017 - which of both it is belongs to the case
    asked = len(town.asked)
    town.answers = lambda *_: 200
    if opens:
        with pytest.raises(NoHealthyEndpoint):
            await town.get()
        assert len(town.asked) == asked
        await town.clock.advance(1)
    assert await town.status() == 200
    assert town.taken == (0, 0, 0)


@pytest.mark.parametrize(
    ("is_late", "waited", "opens"), [(True, 0.1, True), (True, 0.01, False), (False, 0.1, False)]
)
async def test_only_a_service_that_took_too_long_is_to_blame(
    is_late: bool, waited: float, opens: bool
) -> None:
    """A caller who leaves tells nothing of the service, nor does one who gave it next to no time."""
    town = Town(lambda *_: asyncio.Event().wait())
    for _ in range(5):
        waiting = asyncio.ensure_future(town.get(is_late=lambda: is_late))
        await town.clock.advance(waited)
        waiting.cancel()
        await settle()
        assert waiting.cancelled()
    town.answers = lambda *_: 200
    if opens:
        with pytest.raises(NoHealthyEndpoint):
            await town.get()
    else:
        assert await town.status() == 200
    assert town.taken == (0, 0, 0)


async def test_a_good_answer_after_failures_counts_too() -> None:
    """Four failures, one success, four failures: nothing is ejected."""
    town = Town()
    for status in (503, 503, 503, 503, 200, 503, 503, 503, 503, 200):
        town.answers = lambda *_, status=status: status
        assert await town.status() == status


async def test_places_are_those_of_the_calls_and_end_with_the_answer() -> None:
    """Two connections, none may wait: a third is refused at once, until one answer has been passed on."""
    town = Town(max_connections=2, max_pending=0)
    one, _ = await town.get(), await town.get()
    with pytest.raises(ServiceOverloaded):
        await town.get()
    assert len(town.asked) == 2
    await one.aclose()
    assert await town.status() == 200
    assert town.taken == (1, 0, 1)


async def test_websockets_take_no_place_from_calls_and_have_a_bound_of_their_own() -> None:
    """Once the service has agreed; until then, and if it does not, an offer is a request as others."""
    town = Town(max_connections=1, max_pending=0, max_websockets=2)
    talking = [await town.get(upgrade=b"websocket") for _ in range(2)]
    assert town.taken == (0, 2, 2)
    assert await town.status() == 200
    with pytest.raises(ServiceOverloaded):
        await town.get(upgrade=b"websocket")
    assert town.taken == (0, 2, 2)
    await talking.pop().aclose()
    town.answers = lambda *_: 426
    refused = await town.get(upgrade=b"websocket")
    assert town.taken == (1, 1, 2)
    await refused.aclose()
    await talking.pop().aclose()
    assert town.taken == (0, 0, 0)


async def test_each_attempt_is_told_what_is_left_of_the_time() -> None:
    """Counted anew for the second endpoint; nothing where nobody set a time, and never the caller's own claim."""
    told: list[list[bytes]] = []

    def answer(_: str, onward: Onward) -> Any:
        told.append([value for name, value in onward.fields if name == b"x-left-ms"])
        return later() if len(told) == 1 else 200

    async def later() -> ServiceUnreachable:
        await town.clock.sleep(0.3)
        return ServiceUnreachable("users")

    town = Town(answer, ports=2)
    claimed = [(b"x-left-ms", b"99999")]
    asking = asyncio.ensure_future(
        town.way.open(Onward(method="GET", path=b"/", fields=claimed, until=town.clock.now() + 1.0))
    )
    await town.clock.advance(0.3)
    await (await asking).aclose()
    await (await town.way.open(Onward(method="GET", path=b"/", fields=claimed))).aclose()
    assert told == [[b"1000"], [b"700"], []]


async def test_what_was_never_sent_goes_to_another_endpoint() -> None:
    """One that cannot be reached has heard nothing; a body, which may be half read, is not sent again."""
    town = Town(lambda name, _: ServiceUnreachable("users") if name == "h:1" else 200, ports=2)
    for _ in range(10):
        assert await town.status() == 200
    assert "h:1" in town.asked
    assert town.taken == (0, 0, 0)

    async def body() -> AsyncIterator[bytes]:
        yield b"x"

    town = Town(lambda *_: ServiceUnreachable("users"), ports=2)
    with pytest.raises(ServiceUnreachable):
        await town.get(parts=body())
    assert len(town.asked) == 1


async def test_other_endpoints_are_asked_as_often_as_retries_and_budget_allow() -> None:
    """Where nobody can be reached: two more for one request, and over all a fifth and the reserve."""
    town = Town(lambda *_: ServiceUnreachable("users"), ports=5, outlier_detection={"consecutive_5xx": 0})
    with pytest.raises(ServiceUnreachable):
        await town.get()
    assert len(town.asked) == len(set(town.asked)) == 3
    for _ in range(59):
        with pytest.raises(ServiceUnreachable):
            await town.get()
    assert len(town.asked) == 60 + 60 // 5 + 30
    assert town.taken == (0, 0, 0)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([200, 101, 404, 503, "lost", "left"]), st.booleans()), max_size=12))
async def test_every_place_is_given_back(played: list[tuple[Any, bool]]) -> None:
    """However answers and callers end, when all is over nobody holds anything."""
    failures = {"lost": ServiceConnectionLost("users"), "left": asyncio.CancelledError()}
    town, open_ones = Town(ports=3, max_connections=2, max_pending=1, max_websockets=2), list[Exchange]()
    for answer, upgrades in played:
        given = 404 if answer == 101 and not upgrades else failures.get(answer, answer)
        town.answers = lambda *_, given=given: given
        with contextlib.suppress(
            ServiceConnectionLost, ServiceOverloaded, NoHealthyEndpoint, asyncio.CancelledError
        ):
            open_ones.append(await town.get(upgrade=b"websocket" if upgrades else b""))
        assert sum(town.taken[:2]) == len(open_ones) == town.taken[2]
    for exchange in open_ones:
        await exchange.aclose()
    assert town.taken == (0, 0, 0)
