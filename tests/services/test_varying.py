"""What a part's ``Vary`` means for the page that is made of it."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from bff import trace
from bff.services.varying import NOTHING_TOLD, Told, told_by
from tests.services.conftest import make_invocation

PRIVATE = Told(is_enough=False)


def named(*names: bytes) -> Told:
    return Told(names=frozenset(names))


@pytest.mark.parametrize(
    ("vary", "given", "told"),
    [
        ({b"*"}, {}, PRIVATE),
        ({b"accept-language", b"*"}, {}, PRIVATE),
        ({b"x-forwarded-for"}, {}, PRIVATE),
        ({b"x-request-id"}, {}, PRIVATE),
        ({b"origin", b"user-agent"}, {}, NOTHING_TOLD),
        ({b"x-own"}, {}, NOTHING_TOLD),
        ({b"x-own"}, {"X-Own": "is overruled"}, NOTHING_TOLD),
        ({b"accept-language"}, {}, named(b"accept-language")),
        ({b"x-tenant"}, {}, named(b"x-tenant")),  # this caller sent none
        ({b"cookie", b"x-tenant"}, {}, named(b"cookie", b"x-tenant")),
        ({b"x-plan"}, {"X-Plan": "gold"}, PRIVATE),
        ({b"accept-language"}, {"accept-language": "fr"}, PRIVATE),
        ({b"accept-language"}, {"Accept-Language": "de"}, named(b"accept-language")),
        ({b"accept"}, {"accept": "application/json"}, named(b"accept")),
        ({b"origin"}, {"x-plan": "gold"}, NOTHING_TOLD),
        ({b"baggage"}, {}, named(b"baggage")),
    ],
)
def test_a_page_names_what_travels_and_is_private_for_what_no_field_tells(
    vary: set[bytes], given: Mapping[str, str], told: Told
) -> None:
    invocation = make_invocation(
        headers=[("Accept-Language", "de"), ("Cookie", "user=ada; other=1")],
        forwarding={"headers": ["accept-language", "x-tenant"], "cookies": ["user"]},
    )
    assert told_by(vary, invocation, given, {b"x-own"}) == told


@pytest.mark.parametrize("name", sorted(trace.FIELDS))
def test_a_trace_is_one_callers(name: str) -> None:
    assert told_by({name.encode()}, make_invocation(), {}, ()) == PRIVATE


def test_a_lane_may_be_chosen_for_who_asks() -> None:
    invocation = make_invocation()
    invocation.lane = "blue"
    assert told_by({b"baggage"}, invocation, {}, ()) == PRIVATE


def test_who_asks_by_no_request_sends_nothing_on() -> None:
    invocation = make_invocation(forwarding={"headers": ["accept-language"]})
    invocation.incoming = None
    assert told_by({b"accept-language"}, invocation, {}, ()) == NOTHING_TOLD
    assert told_by({b"x-plan"}, invocation, {"x-plan": "gold"}, ()) == PRIVATE
