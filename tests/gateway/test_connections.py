"""How many connections are let in: in all, from one address, and from those who speak for many."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bff.gateway.crowd import Crowd


def test_each_address_has_its_own_room_and_all_together_one() -> None:
    crowd = Crowd(most=4, most_each=2)
    assert [crowd.enter("192.0.2.1") for _ in range(3)] == [True, True, False]
    assert [crowd.enter(f"192.0.2.{number}") for number in (2, 3, 4)] == [True, True, False]
    crowd.leave("192.0.2.1")
    assert crowd.enter("192.0.2.1")
    assert not crowd.enter("192.0.2.9")


def test_a_network_of_ipv6_is_one_address() -> None:
    crowd = Crowd(most_each=1)
    assert crowd.enter("2001:db8::1")
    assert not crowd.enter("2001:db8::2")
    assert crowd.enter("2001:db8:0:1::1")


def test_a_trusted_proxy_speaks_for_many() -> None:
    crowd = Crowd(most=5, most_each=1)
    crowd.is_exempt = lambda address: address == "10.0.0.1"
    assert [crowd.enter("10.0.0.1") for _ in range(6)] == [True] * 5 + [False]


def test_without_limits_everybody_is_let_in() -> None:
    crowd = Crowd()
    assert all(crowd.enter("192.0.2.1") for _ in range(1000))


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "::1", "::2"]), st.booleans()), max_size=60))
def test_who_has_left_leaves_nothing_behind(steps: list[tuple[str, bool]]) -> None:
    crowd, inside = Crowd(most=10, most_each=3), list[str]()
    for address, comes in steps:
        if comes:
            if crowd.enter(address):
                inside.append(address)
        elif address in inside:
            inside.remove(address)
            crowd.leave(address)
        assert crowd.total == len(inside) <= 10
    for address in inside:
        crowd.leave(address)
    assert (crowd.total, crowd._from) == (0, {})
