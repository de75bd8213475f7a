"""A service in several places: by lane, by rule, by weight; and what a lane looks like on the wire."""

from __future__ import annotations

from collections import Counter
from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bff.clock import SystemClock
from bff.config import ServiceConfig
from bff.sdk.invocation import Incoming, Invocation
from bff.sdk.lane import BAGGAGE, MOST_BYTES, Carrier
from bff.services.client import ServiceClient
from bff.services.pool import ServicePool
from bff.services.subsets import Subsets


def service(**subsets: dict[str, object]) -> Subsets:
    config = ServiceConfig.model_validate({"url": "http://base", "timeout": "1s", "subsets": subsets})
    pool = ServicePool(clock=SystemClock())
    pool.configure({"stock": config})
    found = pool.clients["stock"]
    assert isinstance(found, Subsets)
    return found


def asked(lane: str = "", request_id: str = "r", **headers: str) -> Invocation:
    invocation = Invocation(request_id=request_id, method="GET", clock=SystemClock(), started=0.0)
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    invocation.incoming = Incoming({"headers": pairs, "query_string": b""}, None, {}, 0)
    invocation.lane = lane
    return invocation


def url(subsets: Subsets, invocation: Invocation) -> str:
    return subsets.of(invocation).config.url


def test_the_lane_comes_before_rules_and_rules_before_weights() -> None:
    """Whatever stands first in the file."""
    stock = service(
        v3={"url": "http://v3", "weight": 100},
        v2={"url": "http://v2", "match": [{"headers": {"x-beta": "1"}}, {"cookies": {"beta": "1"}}]},
        canary={"url": "http://canary", "lanes": ["next"]},
    )
    assert url(stock, asked("canary", x_beta="1")) == "http://canary"
    assert url(stock, asked("next")) == "http://canary"
    assert url(stock, asked("other", x_beta="1")) == "http://v2"
    assert url(stock, asked(cookie="beta=1")) == "http://v2"
    assert url(stock, asked()) == "http://v3"


def test_what_no_subset_gets_goes_to_the_service_itself() -> None:
    """With the same settings but for the URL, and no subsets of its own."""
    stock = service(canary={"url": "http://canary"})
    for lane, where in (("", "http://base"), ("canary", "http://canary")):
        client = stock.of(asked(lane))
        assert isinstance(client, ServiceClient)
        assert (client.config.url, client.config.timeout, client.config.subsets) == (where, 1.0, {})
        assert client.name == "stock"


def test_a_subset_is_where_its_url_says() -> None:
    """What lists or finds the endpoints of the service's own URL leads no call of a subset there."""
    for found in ({"endpoints": ["10.0.0.1:80"]}, {"discovery": {"type": "dns", "name": "stock"}}):
        config = ServiceConfig.model_validate(
            {"url": "http://base", "subsets": {"canary": {"url": "http://canary"}}, **found}
        )
        stock = Subsets(
            "stock",
            config,
            lambda name, each, _: ServiceClient(name, each, clock=SystemClock(), make_transport=None),  # type: ignore[arg-type]
        )
        canary, base = stock.of(asked("canary")).config, stock.of(asked()).config
        assert (canary.endpoints, canary.discovery) == ((), None)
        assert (base.endpoints, base.discovery) == (config.endpoints, config.discovery)


def test_weights_hold_and_one_page_view_sees_one_version() -> None:
    """Every call under one request id goes to the same place."""
    stock = service(a={"url": "http://a", "weight": 10}, b={"url": "http://b", "weight": 30})
    found = Counter(url(stock, asked(request_id=f"id-{n}")) for n in range(10_000))
    for where, share in (("http://a", 0.1), ("http://b", 0.3), ("http://base", 0.6)):
        assert abs(found[where] - 10_000 * share) < 3.2905 * sqrt(10_000 * share * (1 - share))
    assert len({url(stock, asked(request_id="same")) for _ in range(20)}) == 1


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "lane=canary"),
        ("user=7", "lane=canary,user=7"),
        ("a=b;p=1, lane=old , c=d", "lane=canary,a=b;p=1,c=d"),
        (f"big={'x' * (MOST_BYTES - 10)}", "lane=canary"),
    ],
)
def test_a_lane_takes_its_place_in_baggage(before: str, after: str) -> None:
    """Other members stay, an older lane goes, and the field stays within the W3C's limit."""
    fields = {"baggage": before} if before else {}
    BAGGAGE.write(fields, "canary")
    assert fields == {"baggage": after}
    assert BAGGAGE.read([(b"baggage", fields["baggage"].encode())]) == "canary"


def test_another_field_holds_the_label_alone() -> None:
    """As some meshes have it."""
    carrier, fields = Carrier(header="x-lane"), {"baggage": "a=b"}
    carrier.write(fields, "canary")
    assert fields == {"baggage": "a=b", "x-lane": "canary"}
    assert carrier.read([(b"x-lane", b" canary ")]) == "canary"


@given(st.binary(max_size=80))
def test_whatever_a_caller_sends_is_a_label_or_nothing(said: bytes) -> None:
    """Bounded and plain: it goes into headers of other requests."""
    for carrier in (BAGGAGE, Carrier(header="x-lane")):
        label = carrier.read([(carrier.header.encode(), said), (b"baggage", b"lane=" + said)])
        assert label == "" or (len(label) <= 63 and label.replace("-", "a").isalnum() and label.islower())


def test_very_much_baggage_is_not_read() -> None:
    """Longer than the W3C lets it be."""
    assert BAGGAGE.read([(b"baggage", b"a=" + b"x" * MOST_BYTES + b",lane=canary")]) == ""
