"""Subsets told apart by the labels of their endpoints: listed, or found by a registry that knows some."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bff.clock import SystemClock
from bff.config import ServiceConfig
from bff.sdk.call import Adapters
from bff.sdk.failures import NoHealthyEndpoint
from bff.sdk.invocation import Invocation
from bff.sdk.service import Service
from bff.services.cache import Cache
from bff.services.pool import ServicePool
from bff.services.resolver import Address
from bff.services.selection import EVERYTHING, Selection
from tests.services.discovery.conftest import RegistryServer

pytestmark = pytest.mark.anyio

MakeUpstream = Callable[..., Awaitable[Any]]
MakeInvocation = Callable[..., Invocation]
V2 = {"labels": {"version": "v2"}}

labels = st.dictionaries(st.sampled_from("ab"), st.sampled_from("12"), max_size=2)
some = st.dictionaries(st.sampled_from("ab"), st.sampled_from("12"), min_size=1, max_size=2)
addresses = st.lists(
    st.builds(Address, host=st.just("h"), port=st.integers(1, 9), labels=labels),
    unique_by=lambda each: each.port,
)


@given(addresses, st.lists(some, min_size=1, max_size=3))
def test_every_endpoint_is_in_its_subsets_or_with_the_service_itself(
    found: list[Address], subsets: list[dict[str, str]]
) -> None:
    """Never in both, unless nobody is left; and a subset has exactly those that carry all of its labels."""
    chosen = [Selection(subset="s", labels=each).of(found) for each in subsets]
    rest = Selection(others=tuple(subsets)).of(found)
    for wanted, those in zip(subsets, chosen, strict=True):
        assert all(wanted.items() <= each.labels.items() for each in those)
    inside = {each.port for those in chosen for each in those}
    assert {each.port for each in rest} == (
        {each.port for each in found} - inside or {each.port for each in found}
    )
    assert EVERYTHING.of(found) == tuple(found)


def where(url: str) -> str:
    return url.removeprefix("http://")


def pool_of(config: Mapping[str, Any], **given: Any) -> ServicePool:
    made = ServicePool(clock=SystemClock(), **given)
    made.configure({"users": ServiceConfig.model_validate({"timeout": "60s", **config})})
    return made


async def call(services: ServicePool, invocation: Invocation) -> Any:
    return await Service(services.clients["users"], invocation, Adapters()).get("/")


async def test_listed_endpoints_are_told_apart_by_their_labels(
    upstream: MakeUpstream, invocation: MakeInvocation
) -> None:
    """A lane goes to its own, everybody else to the others; a lane without any endpoint is told so with UH."""
    one, two = await upstream(), await upstream()
    services = pool_of(
        {
            "url": "http://users",
            "endpoints": [where(one.url), {"address": where(two.url), **V2}],
            "subsets": {"v2": V2, "v3": {"labels": {"version": "v3"}}},
        }
    )
    for lane in ("", "v2", "", "unknown"):
        asked = invocation()
        asked.lane = lane
        await call(services, asked)
    assert (len(one.requests), len(two.requests)) == (3, 1)
    nowhere = invocation()
    nowhere.lane = "v3"
    with pytest.raises(NoHealthyEndpoint):
        await call(services, nowhere)
    assert nowhere.flags == "UH"
    await services.aclose()


async def test_versions_at_one_url_share_no_answers(
    upstream: MakeUpstream, invocation: MakeInvocation
) -> None:
    """What one of them said and the cache kept is not given to calls of the other, by weight as little as by lane."""
    one, two = await upstream(), await upstream()
    services = pool_of(
        {
            "url": "http://users",
            "cache": {"ttl": "60s"},
            "endpoints": [where(one.url), {"address": where(two.url), **V2}],
            "subsets": {"v2": {**V2, "match": [{"headers": {"x-beta": "1"}}]}},
        },
        cache=Cache(clock=SystemClock()),
    )
    for _ in range(2):
        await call(services, invocation())
        await call(services, invocation(headers=[("x-beta", "1")]))
    assert (len(one.requests), len(two.requests)) == (1, 1)
    await services.aclose()


async def test_a_registrys_labels_count_and_may_change(
    upstream: MakeUpstream, invocation: MakeInvocation, registry: Callable[..., Awaitable[RegistryServer]]
) -> None:
    """An instance in Consul becomes v2, by its metadata alone: the lane's calls go there, and nobody else's."""
    one, two = await upstream(), await upstream()
    version, index, changed = {two.url: "v1"}, {"now": 7}, asyncio.Event()
    caught_up: list[Any] = []

    def instance(url: str) -> dict[str, Any]:
        meta = {"version": version.get(url, "v1")}
        port = int(url.rpartition(":")[2])
        return {"Service": {"Address": "127.0.0.1", "Port": port, "Meta": meta}}

    async def answer(asked: Any) -> tuple[int, Any, dict[str, str]]:
        if int(asked.query.get("index", 0)) == index["now"]:
            caught_up.append(index["now"])
            await changed.wait() if index["now"] == 7 else await asyncio.Event().wait()
        return 200, [instance(each.url) for each in (one, two)], {"X-Consul-Index": str(index["now"])}

    server = await registry(answer)
    services = pool_of(
        {
            "url": "http://users",
            "discovery": {"type": "consul", "name": "users", "server": server.url},
            "subsets": {"v2": V2},
        }
    )
    lane = invocation()
    lane.lane = "v2"
    with pytest.raises(NoHealthyEndpoint):
        await call(services, lane)
    version[two.url], index["now"] = "v2", 8
    changed.set()
    async with asyncio.timeout(60):
        while not two.requests:
            again = invocation()
            again.lane = "v2"
            try:
                await call(services, again)
            except NoHealthyEndpoint:
                await asyncio.sleep(0.01)
        while caught_up.count(8) < 2:  # the lane and all others look for themselves
            await asyncio.sleep(0.01)
    seen = len(two.requests)
    for _ in range(5):
        await call(services, invocation())
    assert (len(one.requests), len(two.requests)) == (5, seen)
    await services.aclose()
