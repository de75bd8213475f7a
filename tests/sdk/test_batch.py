"""Single keys become one call: within one turn of the loop, in order, each with its own failure."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from pydantic import BaseModel

from bff.sdk.aggregate import gather, optional
from bff.sdk.batch import batch
from bff.sdk.call import Adapters, SendOptions
from bff.sdk.failures import ServiceAnswered, ServiceBodyInvalid, ServiceUnreachable
from bff.sdk.invocation import Invocation, current
from bff.sdk.service import Service, SyncService

pytestmark = pytest.mark.anyio


class User(BaseModel):
    id: int
    name: str


class Users:
    """A service with a batch endpoint. ``asked`` holds the keys of each call."""

    name = "users"
    fast_path = None

    def __init__(self, answer: Callable[[list[str]], Any] | None = None) -> None:
        self.asked: list[list[str]] = []
        self.answer = answer or (lambda keys: [{"id": int(key), "name": f"n{key}"} for key in keys])
        self.gate: asyncio.Event | None = None
        self.cancelled = False

    async def send(
        self, _invocation: Invocation, _method: str, _path: str, options: SendOptions
    ) -> httpx.Response:
        keys = [value for _, text in options["params"] for value in text.split(",")]
        self.asked.append(keys)
        if self.gate is not None:
            try:
                await self.gate.wait()
            except asyncio.CancelledError:
                self.cancelled = True
                raise
        answer = self.answer(keys)
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(200, content=json.dumps(answer).encode())

    def relays_credentials(self, _invocation: Invocation) -> bool:
        return False


@pytest.fixture
def asked(invocation: Callable[..., Invocation]) -> Iterator[Invocation]:
    made = invocation()
    token = current.set(made)
    yield made
    current.reset(token)


def service(users: Users, invocation: Invocation) -> Service:
    return Service(users, invocation, Adapters())


async def test_what_is_asked_for_within_a_turn_is_one_call_in_order(asked: Invocation) -> None:
    users = Users()
    user = batch(service(users, asked), "/users")
    found = await gather(user(3), user(1), user(2))
    assert [each["name"] for each in found] == ["n3", "n1", "n2"]
    assert users.asked == [["3", "1", "2"]]


async def test_each_key_is_sent_once(asked: Invocation) -> None:
    users = Users()
    user = batch(service(users, asked), "/users")
    found = await gather(user(1), user(2), user(1))
    assert [each["id"] for each in found] == [1, 2, 1]
    assert users.asked == [["1", "2"]]


async def test_a_full_batch_goes_at_once_and_the_next_begins(asked: Invocation) -> None:
    users = Users()
    user = batch(service(users, asked), "/users", max_size=2)
    found = await asyncio.gather(*(user(number) for number in range(5)))
    assert [each["id"] for each in found] == [0, 1, 2, 3, 4]
    assert users.asked == [["0", "1"], ["2", "3"], ["4"]]


async def test_two_parts_of_a_request_share_a_batch_and_two_requests_do_not(
    invocation: Callable[..., Invocation],
) -> None:
    users, one, other = Users(), invocation(), invocation()
    await asyncio.gather(
        batch(service(users, one), "/users")(1),
        batch(service(users, one), "/users")(2),
        batch(service(users, one), "/others")(3),
        batch(service(users, other), "/users")(4),
    )
    assert sorted(users.asked) == [["1", "2"], ["3"], ["4"]]


async def test_what_is_asked_for_later_is_another_call(asked: Invocation) -> None:
    users = Users()
    user = batch(service(users, asked), "/users")
    await user(1)
    await user(2)
    assert users.asked == [["1"], ["2"]]


@pytest.mark.parametrize(
    ("options", "answer"),
    [
        ({}, [{"id": 1, "name": "a"}, None]),
        ({}, {"1": {"id": 1, "name": "a"}}),
        ({"key": "id"}, [{"id": 9, "name": "z"}, {"id": 1, "name": "a"}]),
        ({"separator": ","}, [{"id": 1, "name": "a"}, None]),
    ],
)
async def test_a_key_without_a_value_fails_alone(
    asked: Invocation, options: dict[str, Any], answer: Any
) -> None:
    user = batch(service(Users(lambda _: answer), asked), "/users", into=User, **options)
    there, missing = await asyncio.gather(user(1), user(2), return_exceptions=True)
    assert there == User(id=1, name="a")
    assert isinstance(missing, ServiceAnswered)
    assert missing.status == 404


async def test_a_value_that_does_not_fit_fails_alone(asked: Invocation) -> None:
    users = Users(lambda _: [{"id": 1, "name": "a"}, {"id": "x"}])
    user = batch(service(users, asked), "/users", into=User)
    fits, misfit = await asyncio.gather(user(1), user(2), return_exceptions=True)
    assert fits == User(id=1, name="a")
    assert isinstance(misfit, ServiceBodyInvalid)


@pytest.mark.parametrize(
    ("options", "answer"),
    [({}, [1]), ({}, "text"), ({}, 7), ({"key": "id"}, [{"name": "a"}]), ({"key": "id"}, [1, 2])],
)
async def test_an_answer_that_cannot_be_divided_fails_every_key(
    asked: Invocation, options: dict[str, Any], answer: Any
) -> None:
    user = batch(service(Users(lambda _: answer), asked), "/users", **options)
    failures = await asyncio.gather(user(1), user(2), return_exceptions=True)
    assert [type(failure) for failure in failures] == [ServiceBodyInvalid] * 2


async def test_a_failed_call_fails_every_key_with_a_failure_of_its_own(asked: Invocation) -> None:
    user = batch(service(Users(lambda _: ServiceUnreachable("users")), asked), "/users")
    one, other = await asyncio.gather(user(1), user(2), return_exceptions=True)
    assert isinstance(one, ServiceUnreachable)
    assert isinstance(other, ServiceUnreachable)
    assert one is not other
    assert str(one) == str(other)


async def test_a_part_that_is_optional_may_be_of_a_batch(asked: Invocation) -> None:
    user = batch(service(Users(lambda _: ServiceUnreachable("users")), asked), "/users")
    assert await optional(user(1)) is None
    assert asked.missing == ["users"]


async def test_one_who_leaves_does_not_take_the_others_along(asked: Invocation) -> None:
    users = Users()
    users.gate = asyncio.Event()
    user = batch(service(users, asked), "/users")
    leaving, staying = (asyncio.ensure_future(_value(user(key))) for key in (1, 2))
    while not users.asked:
        await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.sleep(0)
    users.gate.set()
    assert (await staying)["id"] == 2
    assert not users.cancelled


async def test_the_call_is_cancelled_when_nobody_waits(asked: Invocation) -> None:
    users = Users()
    users.gate = asyncio.Event()
    user = batch(service(users, asked), "/users")
    waiters = [asyncio.ensure_future(_value(user(key))) for key in (1, 2)]
    while not users.asked:
        await asyncio.sleep(0)
    for waiter in waiters:
        waiter.cancel()
    await asyncio.wait(waiters)
    for _ in range(5):
        await asyncio.sleep(0)
    assert users.cancelled


async def test_a_batch_that_everybody_left_in_its_turn_is_never_sent(asked: Invocation) -> None:
    users = Users()
    waiter = asyncio.ensure_future(_value(batch(service(users, asked), "/users")(1)))
    asyncio.get_running_loop().call_soon(waiter.cancel)
    await asyncio.wait([waiter])
    for _ in range(5):
        await asyncio.sleep(0)
    assert users.asked == []


async def test_a_key_is_single_use_and_free_if_nobody_awaits_it(asked: Invocation) -> None:
    users = Users()
    user = batch(service(users, asked), "/users")
    user(1)
    wanted = user(2)
    await wanted
    with pytest.raises(RuntimeError, match="single-use"):
        await wanted
    assert users.asked == [["2"]]


async def test_what_cannot_be_a_batch_is_refused(asked: Invocation) -> None:
    calls = service(Users(), asked)
    with pytest.raises(ValueError, match="max_size is 0"):
        batch(calls, "/users", max_size=0)
    with pytest.raises(TypeError, match="async handler"):
        batch(SyncService(calls, asyncio.get_running_loop()), "/users")  # type: ignore[call-overload]


async def _value(wanted: Any) -> Any:
    return await wanted
