"""Hosts that a request may name, and how little is kept of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bff.gateway.hosts import TWO, Hosts


@pytest.mark.parametrize(
    "host", [b"", b"bff", b"my_service:80", b"[::1]:8000", b"127.0.0.1", b"a.example.:443", b":80"]
)
def test_a_name_or_an_address_will_do(host: bytes) -> None:
    hosts = Hosts()
    assert hosts.knows(host, "1.1")
    assert hosts.knows(host, "1.1")  # remembered


@pytest.mark.parametrize(
    "host", [b"a b", b"a/b", b"u@a", b"a:b", b"a:1:2", b"[::1", b"a#b", b"a?b", b"\xff", b"a,b c", TWO]
)
def test_anything_else_names_no_host(host: bytes) -> None:
    assert not Hosts().knows(host, "1.1")
    assert not Hosts().knows(host, "1.0")


def test_http_1_0_may_do_without() -> None:
    """RFC 9112 §3.2 wants the field of HTTP/1.1 only."""
    assert Hosts().knows(None, "1.0")
    assert not Hosts().knows(None, "1.1")


@given(st.lists(st.binary(max_size=400), max_size=30))
def test_any_octets_are_told_apart_and_the_answer_never_changes(values: list[bytes]) -> None:
    hosts = Hosts()
    first = [hosts.knows(value, "1.1") for value in values]
    assert [hosts.knows(value, "1.1") for value in values] == first
    for value, is_host in zip(values, first, strict=True):
        if is_host:
            assert not set(value) & set(b' /?#@\\<>"\r\n\t')


def test_a_caller_who_makes_up_hosts_fills_no_memory() -> None:
    hosts = Hosts()
    for number in range(2000):
        assert hosts.knows(b"%d.example" % number, "1.1")
        assert hosts.knows(b"%d" % number + b"a" * 1000, "1.1")
    assert len(hosts._known) <= 256
    assert max(map(len, hosts._known)) < 300
