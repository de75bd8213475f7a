"""Pages made of named parts; how they are sent as they come is the gateway's, and tested there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydantic import BaseModel, Field

from bff import MayMiss, aggregate, fallback, gather, optional
from bff.sdk.invocation import Invocation, current
from bff.sdk.page import Page, Parts

pytestmark = pytest.mark.anyio
Make = Callable[..., Invocation]


class Home(BaseModel):
    user: str
    notices: list[str] | None = Field(default=None, serialization_alias="news")
    title: str = ""


class Told:
    """Who would send the parts."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.parts: list[tuple[str, Any]] = []

    def unfold(self, media: str, _page: Page) -> Parts:
        self.asked.append(media)
        return self

    def given(self, name: str, value: Any) -> None:
        self.parts.append((f"={name}", value))

    def part(self, name: str, value: Any) -> None:
        self.parts.append((name, value))


async def given(value: Any, after: asyncio.Event | None = None) -> Any:
    if after is not None:
        await after.wait()
    return value


async def late() -> Any:
    raise TimeoutError


@pytest.fixture
def call(invocation: Make) -> Iterator[Invocation]:
    made = invocation(headers=[("accept", "application/x-ndjson")])
    made.page = Page(Home)
    assert made.incoming is not None
    made.incoming.unfolder = Told()
    token = current.set(made)
    yield made
    current.reset(token)


async def test_the_page_is_made_of_its_parts(call: Invocation) -> None:
    """Awaitables are run, anything else is taken as it is."""
    home = await aggregate(Home, user=given("Ada"), notices=given(["one"]), title="Hello")
    assert home == Home(user="Ada", notices=["one"], title="Hello")


async def test_each_part_is_told_when_it_is_there(call: Invocation) -> None:
    assert call.incoming is not None
    told = call.incoming.unfolder
    assert isinstance(told, Told)
    gate = asyncio.Event()
    running = asyncio.create_task(
        aggregate(Home, user=given("Ada", gate), notices=given(["one"]), title="Hello")
    )
    while len(told.parts) < 2:
        await asyncio.sleep(0)
    assert told.parts == [("=title", "Hello"), ("notices", ["one"])]
    gate.set()
    await running
    assert told.parts[2:] == [("user", "Ada")]
    assert told.asked == ["application/x-ndjson"]


async def test_what_is_missing_goes_by_its_members_name(call: Invocation) -> None:
    """As it stands in the JSON; unless the part has a name of its own."""
    await aggregate(Home, user=fallback(late(), "nobody"), notices=optional(late()))
    assert call.missing == ["user", "news"]
    await aggregate(Home, user=optional(late(), "nobody", name="people"))
    assert call.missing == ["user", "news", "people"]


async def test_a_helper_that_gathers_fills_one_member(call: Invocation) -> None:
    async def both() -> str:
        return " ".join(await gather(optional(late(), "some"), optional(late(), "body")))

    assert (await aggregate(Home, user=both())).user == "some body"
    assert call.missing == ["user"]


async def test_names_do_not_outlive_their_part(call: Invocation) -> None:
    await aggregate(Home, user=optional(late(), "nobody"))
    await optional(late())
    assert call.missing is not None
    assert (call.missing[0], len(call.missing)) == ("user", 2)


async def test_a_failure_is_the_pages_and_ends_the_others(call: Invocation) -> None:
    with pytest.raises(ValueError, match="broken"):
        await aggregate(Home, user=broken(), notices=given(None, asyncio.Event()))


async def broken() -> Any:
    raise ValueError("broken")


@pytest.mark.parametrize("why", ["another page", "no page", "kept", "not asked", "no gateway"])
async def test_otherwise_it_goes_out_whole(call: Invocation, why: str) -> None:
    assert call.incoming is not None
    told = call.incoming.unfolder
    assert isinstance(told, Told)
    kind: Any = Home
    if why == "another page":
        kind = dict
    elif why == "no page":
        call.page = None
    elif why == "kept":
        call.shelf = object()
    elif why == "not asked":
        call.incoming.scope["headers"] = []
    else:
        call.incoming.unfolder = None
    assert await aggregate(kind, user=given("Ada"))
    assert (told.asked, told.parts) == ([], [])
    assert call.varies is (why == "not asked")


async def test_head_asks_for_what_get_would(call: Invocation) -> None:
    """So that it is told the same fields; whoever writes them leaves the parts out."""
    assert call.incoming is not None
    told = call.incoming.unfolder
    assert isinstance(told, Told)
    call.method = "HEAD"
    assert await aggregate(Home, user=given("Ada"))
    assert told.asked == ["application/x-ndjson"]


class Front(BaseModel):
    user: str
    notices: MayMiss[list[str]]
    designs: MayMiss[list[str]] = ["none yet"]
    orders: MayMiss[int] = Field(alias="order_count", serialization_alias="orderCount")


async def test_the_model_says_what_may_be_missing(call: Invocation) -> None:
    """A service's failure leaves the member's own default, without a wrapper; whatever is there stays."""
    front = await aggregate(
        Front, user=given("Ada"), notices=late(), designs=late(), order_count=fallback(late(), late())
    )
    assert (front.notices, front.designs, front.orders) == (None, ["none yet"], None)
    assert call.missing == ["notices", "designs", "orderCount"]
    front = await aggregate(Front, user=given("Ada"), notices=given(["one"]))
    assert (front.notices, front.designs) == (["one"], ["none yet"])


async def test_a_member_that_is_not_said_to_be_missing_is_required(call: Invocation) -> None:
    with pytest.raises(TimeoutError):
        await aggregate(Front, user=late(), notices=given(["one"]))


def test_the_schema_says_it_to_who_reads_pages() -> None:
    """In the serialization's schema, which OpenAPI has; the others have no such word."""
    members = Front.model_json_schema(mode="serialization")["properties"]
    assert {name for name, told in members.items() if told.get("x-bff-may-be-missing")} == {
        "notices",
        "designs",
        "orderCount",
    }
