"""Endpoints by DNS, from a real name server: A, AAAA and SRV, for as long as their TTL says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bff.services.discovery import names
from bff.services.discovery.kubernetes import full_name
from bff.services.resolver import NotResolved, Question, find

pytestmark = pytest.mark.anyio

Ask = Callable[..., Question]


async def hosts(resolver: Any) -> list[str]:
    return sorted(map(str, (await resolver.resolve()).addresses))


async def test_every_address_of_a_name_is_an_endpoint(nameserver: Any, question: Ask) -> None:
    """IPv4 and IPv6, with the port of the name or the URL, and the shorter TTL of the two."""
    nameserver.zone["users.internal", "A"] = (30, ["10.0.0.1", "10.0.0.2"])
    nameserver.zone["users.internal", "AAAA"] = (7, ["fd00::1"])
    resolver = names.addresses(question("users.internal:8080", nameserver.server))
    found = await resolver.resolve()
    assert found.ttl == 7
    assert await hosts(resolver) == ["10.0.0.1:8080", "10.0.0.2:8080", "[fd00::1]:8080"]
    assert await hosts(names.addresses(question("users.internal", nameserver.server, port=81))) == [
        "10.0.0.1:81",
        "10.0.0.2:81",
        "[fd00::1]:81",
    ]


async def test_a_name_of_one_family_is_whole(nameserver: Any, question: Ask) -> None:
    """No AAAA is the usual case, not a failure."""
    nameserver.zone["users.internal", "A"] = (30, ["10.0.0.1"])
    assert await hosts(names.addresses(question("users.internal", nameserver.server))) == ["10.0.0.1:80"]


@pytest.mark.parametrize("kind", ["A", "AAAA"])
async def test_a_family_that_is_not_answered_for_removes_nothing(
    nameserver: Any, question: Ask, kind: str
) -> None:
    """From the beginning the other one is all there is; once both were known, what was known of it stays, and the other
    one's news count. What the name server says has no addresses is gone.
    """
    nameserver.zone["users.internal", "A"] = (30, ["10.0.0.1"])
    nameserver.zone["users.internal", "AAAA"] = (30, ["fd00::1"])
    resolver = names.addresses(question("users.internal", nameserver.server))
    here, other = ("10.0.0.1:80", "[fd00::1]:80") if kind == "A" else ("[fd00::1]:80", "10.0.0.1:80")
    nameserver.refused = {kind}
    assert await hosts(resolver) == [other]
    nameserver.refused = set()
    assert await hosts(resolver) == sorted([here, other])
    nameserver.refused = {kind}
    assert await hosts(resolver) == sorted([here, other])
    silent, news = ("A", "fd00::2") if kind == "A" else ("AAAA", "10.0.0.2")
    nameserver.zone["users.internal", "AAAA" if kind == "A" else "A"] = (7, [news])
    found = await resolver.resolve()
    assert ({each.host for each in found.addresses} & {news}, found.ttl) == ({news}, 7)
    assert here in await hosts(resolver)
    nameserver.refused = set()
    nameserver.zone["users.internal", silent] = (30, [])
    nameserver.zone["users.internal", "AAAA" if kind == "A" else "A"] = (30, [news])
    assert here not in await hosts(resolver)
    nameserver.refused = {kind}
    assert len(await hosts(resolver)) == 1


async def test_a_name_that_is_answered_for_by_half_is_asked_for_again_soon(
    nameserver: Any, question: Ask
) -> None:
    """Where that half has no addresses any more, nothing says for how long the other ones hold."""
    nameserver.zone["users.internal", "A"] = (30, ["10.0.0.1"])
    nameserver.zone["users.internal", "AAAA"] = (30, ["fd00::1"])
    resolver = names.addresses(question("users.internal", nameserver.server))
    await resolver.resolve()
    nameserver.refused = {"AAAA"}
    nameserver.zone["users.internal", "A"] = (30, [])
    found = await resolver.resolve()
    assert ([each.host for each in found.addresses], found.ttl) == (["fd00::1"], 1.0)
    nameserver.refused = {"A", "AAAA"}
    with pytest.raises(NotResolved, match=r"^A users\.internal"):
        await resolver.resolve()


async def test_targets_that_are_gone_are_forgotten(nameserver: Any, question: Ask) -> None:
    """Those of services whose pods come and go by the hour; who stays keeps both of its families."""
    resolver: Any = names.services(question("_http._tcp.users.internal", nameserver.server))
    for pod in ("a", "b"):
        nameserver.zone[f"{pod}.internal", "A"] = (5, ["10.0.0.1"])
        nameserver.zone[f"{pod}.internal", "AAAA"] = (5, ["fd00::1"])
    for said in (["1 1 80 a.internal.", "1 1 80 b.internal."], ["1 1 80 b.internal."]):
        nameserver.zone["_http._tcp.users.internal", "SRV"] = (5, said)
        await resolver.resolve()
    assert {host for host, _ in resolver._names._known} == {"b.internal"}
    nameserver.refused = {"AAAA"}
    assert await hosts(resolver) == ["10.0.0.1:80", "[fd00::1]:80"]


@pytest.mark.parametrize(("ttl", "held"), [(0, 1.0), (1, 1.0), (60, 60.0), (604_800, 3600.0)])
async def test_the_ttl_is_kept_within_reason(nameserver: Any, question: Ask, ttl: int, held: float) -> None:
    """Not asked for with every call, and not forgotten for a week."""
    nameserver.zone["users.internal", "A"] = (ttl, ["10.0.0.1"])
    found = await names.addresses(question("users.internal", nameserver.server)).resolve()
    assert found.ttl == held


async def test_services_records_bring_ports_weights_and_the_preferred_priority(
    nameserver: Any, question: Ask
) -> None:
    """RFC 2782: the least priority number, weights as they stand, 0 as a little."""
    nameserver.zone["_http._tcp.users.internal", "SRV"] = (
        20,
        ["10 60 8001 a.internal.", "10 0 8002 b.internal.", "20 100 8003 spare.internal."],
    )
    nameserver.zone["a.internal", "A"] = (5, ["10.0.0.1"])
    nameserver.zone["b.internal", "A"] = (60, ["10.0.0.2", "10.0.0.3"])
    nameserver.zone["spare.internal", "A"] = (60, ["10.0.0.9"])
    found = await names.services(question("_http._tcp.users.internal", nameserver.server)).resolve()
    assert sorted((str(each), each.weight) for each in found.addresses) == [
        ("10.0.0.1:8001", 60.0),
        ("10.0.0.2:8002", 1.0),
        ("10.0.0.3:8002", 1.0),
    ]
    assert found.ttl == 5


@pytest.mark.parametrize("record", ["0 0 0 .", "1 1 80 gone.internal."])
async def test_a_service_that_is_not_here_is_not_resolved(
    nameserver: Any, question: Ask, record: str
) -> None:
    """A target of "." says so; a target without an address must not make the list shorter."""
    nameserver.zone["_http._tcp.users.internal", "SRV"] = (20, [record])
    with pytest.raises(NotResolved):
        await names.services(question("_http._tcp.users.internal", nameserver.server)).resolve()


async def test_one_target_that_fails_fails_the_question(nameserver: Any, question: Ask) -> None:
    """Half a list would be a removal of the other half."""
    nameserver.zone["_http._tcp.users.internal", "SRV"] = (
        20,
        ["1 1 80 a.internal.", "1 1 80 gone.internal."],
    )
    nameserver.zone["a.internal", "A"] = (5, ["10.0.0.1"])
    with pytest.raises(NotResolved, match=r"gone\.internal"):
        await names.services(question("_http._tcp.users.internal", nameserver.server)).resolve()


@pytest.mark.parametrize("mood", ["refuse", "garbage"])
async def test_a_name_server_in_trouble_gives_no_answer(nameserver: Any, mood: str) -> None:
    """SERVFAIL and things that are not DNS."""
    nameserver.zone["users.internal", "A"] = (30, ["10.0.0.1"])
    nameserver.mood = mood
    resolver = names.Addresses(names.Names(nameserver.server, timeout=0.3), "users.internal", 80)
    with pytest.raises(NotResolved, match=r"users\.internal"):
        await resolver.resolve()


async def test_a_name_that_does_not_exist_is_not_resolved(nameserver: Any, question: Ask) -> None:
    """NXDOMAIN is what a zone in the middle of a reload says."""
    with pytest.raises(NotResolved, match="NXDOMAIN"):
        await names.addresses(question("users.internal.", nameserver.server)).resolve()


async def test_a_name_server_that_is_silent_is_given_up(nameserver: Any) -> None:
    """Within the time for one name."""
    nameserver.mood = "silent"
    with pytest.raises(NotResolved, match="LifetimeTimeout"):
        await names.Addresses(names.Names(nameserver.server, timeout=0.2), "users.internal", 80).resolve()


async def test_a_long_answer_is_fetched_over_tcp(nameserver: Any, question: Ask) -> None:
    """A truncated answer is not half of the endpoints (RFC 7766)."""
    nameserver.zone["users.internal", "A"] = (30, [f"10.0.{at // 250}.{at % 250 + 1}" for at in range(300)])
    nameserver.mood = "truncate"
    found = await names.addresses(question("users.internal", nameserver.server)).resolve()
    assert len(found.addresses) == 300
    assert {way for _, kind, way in nameserver.asked if kind == "A"} == {"udp", "tcp"}


@pytest.mark.parametrize(
    ("name", "whole"),
    [
        ("designs", "designs.front.svc.cluster.local."),
        ("designs.shop", "designs.shop.svc.cluster.local."),
    ],
)
def test_a_kubernetes_name_is_made_whole(name: str, whole: str) -> None:
    """As the cluster's DNS has it: service, namespace (one's own by default), svc, domain."""
    assert full_name(name, domain="cluster.local", here="front") == whole


async def test_a_headless_kubernetes_service_has_an_endpoint_for_each_pod(
    nameserver: Any, question: Ask
) -> None:
    """By number or by name of the port."""
    nameserver.zone["designs.shop.svc.cluster.local", "A"] = (5, ["10.1.0.1", "10.1.0.2"])
    nameserver.zone["_http._tcp.designs.shop.svc.k8s.example", "SRV"] = (
        5,
        ["0 50 8080 p1.designs.shop.svc.k8s.example.", "0 50 8080 p2.designs.shop.svc.k8s.example."],
    )
    nameserver.zone["p1.designs.shop.svc.k8s.example", "A"] = (5, ["10.1.0.1"])
    nameserver.zone["p2.designs.shop.svc.k8s.example", "A"] = (5, ["10.1.0.2"])
    make = find("kubernetes")
    assert make is not None
    assert await hosts(make(question("designs.shop:9000", nameserver.server))) == [
        "10.1.0.1:9000",
        "10.1.0.2:9000",
    ]
    named = question("designs.shop:http", nameserver.server, options={"cluster_domain": "k8s.example"})
    assert await hosts(make(named)) == ["10.1.0.1:8080", "10.1.0.2:8080"]
