"""Filters in Knative's dialects: what each matches, what it says when it does not, and paths into the data."""

from __future__ import annotations

from typing import Any

import pytest

from bff.config import FilterConfig, jsonpath
from bff.events.filters import compiled
from bff.sdk.cloudevent import CloudEvent

DATA = {"plan": "pro", "n": 5, "ok": True, "none": None, "items": [{"kind": "a"}, {"kind": "b"}], "a b": 1.0}
EVENT = CloudEvent(
    id="1",
    source="/shop/eu",
    type="account.upgraded",
    subject="user-7",
    data=DATA,
    extensions={"tenant": "t1", "level": 3, "dry": True},
)


def why_not(*filters: Any, event: CloudEvent = EVENT) -> str:
    return compiled(FilterConfig.model_validate(each) for each in filters)(event)


@pytest.mark.parametrize(
    "wanted",
    [
        {"exact": {"type": "account.upgraded"}},
        {"exact": {"type": "account.upgraded", "source": "/shop/eu", "specversion": "1.0"}},
        {"exact": {"tenant": "t1"}},
        {"exact": {"level": 3}},
        {"exact": {"level": "3"}},
        {"exact": {"dry": True}},
        {"prefix": {"source": "/shop", "type": "account."}},
        {"suffix": {"type": ".upgraded"}},
        {"all": [{"exact": {"tenant": "t1"}}, {"prefix": {"subject": "user"}}]},
        {"any": [{"exact": {"tenant": "t2"}}, {"exact": {"tenant": "t1"}}]},
        {"not": {"exact": {"tenant": "t2"}}},
        {"not": {"exact": {"dataschema": "https://x"}}},
        {"not": {"all": [{"exact": {"tenant": "t1"}}, {"exact": {"type": "x"}}]}},
        {"exact": {"$.plan": "pro", "$.n": 5, "$.ok": True, "$.none": None}},
        {"exact": {"$.n": 5.0}},
        {"exact": {"$.items[1].kind": "b"}},
        {"exact": {"$.items[-1]['kind']": "b"}},
        {"exact": {"$['a b']": 1}},
        {"prefix": {"$.plan": "pr"}},
        {"suffix": {"$.items[0].kind": "a"}},
    ],
)
def test_an_event_that_is_wanted_matches(wanted: Any) -> None:
    assert why_not(wanted) == ""


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ({"exact": {"type": "account"}}, "exact: type is 'account.upgraded', not 'account'"),
        (
            {"exact": {"type": "Account.upgraded"}},
            "exact: type is 'account.upgraded', not 'Account.upgraded'",
        ),
        ({"exact": {"region": "eu"}}, "exact: region is not there, not 'eu'"),
        ({"prefix": {"source": "shop"}}, "prefix: source is '/shop/eu', not 'shop'"),
        ({"suffix": {"region": "u"}}, "suffix: region is not there, not 'u'"),
        ({"not": {"exact": {"tenant": "t1"}}}, "not: it matches {'exact': {'tenant': 't1'}}"),
        (
            {"any": [{"exact": {"tenant": "t2"}}, {"exact": {"tenant": "t3"}}]},
            "any: exact: tenant is 't1', not 't2'; exact: tenant is 't1', not 't3'",
        ),
        ({"exact": {"$.ok": 1}}, "exact: $.ok is True, not 1"),
        ({"exact": {"$.n": "5"}}, "exact: $.n is 5, not '5'"),
        ({"exact": {"$.plan.x": 1}}, "exact: $.plan.x is not there, not 1"),
        ({"exact": {"$.items[2].kind": "b"}}, "exact: $.items[2].kind is not there, not 'b'"),
        ({"prefix": {"$.n": "5"}}, "prefix: $.n is 5, not '5'"),
    ],
)
def test_an_event_that_is_not_wanted_is_told_which_clause_failed(wanted: Any, why: str) -> None:
    """In the words of routes.yaml, with what was there instead."""
    assert why_not(wanted) == why


def test_several_filters_are_all_to_be_met() -> None:
    """And none means every event (Knative's default)."""
    assert why_not() == ""
    assert why_not({"exact": {"tenant": "t1"}}, {"exact": {"tenant": "t2"}}) != ""


def test_an_event_without_data_has_nothing_at_any_path() -> None:
    """Neither has one whose data is bytes."""
    for data in (None, b"{}", "text"):
        event = CloudEvent(id="1", source="/s", type="t", data=data)
        assert why_not({"exact": {"$.plan": "pro"}}, event=event) == "exact: $.plan is not there, not 'pro'"


def test_a_long_value_is_cut_in_what_is_said() -> None:
    event = CloudEvent(id="1", source="/s", type="t", data={"text": "x" * 1000})
    assert len(why_not({"exact": {"$.text": "y"}}, event=event)) < 150


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("$", ()),
        ("$.a", ("a",)),
        ("$.a.b[0]", ("a", "b", 0)),
        ("$['it\\'s']['']", ("it's", "")),
        ("$.ä_1", ("ä_1",)),
        ("$[-1]", (-1,)),
    ],
)
def test_a_singular_query_is_read(text: str, steps: tuple[str | int, ...]) -> None:
    """RFC 9535 §2.3.5.1."""
    assert jsonpath.parsed(text) == steps


@pytest.mark.parametrize(
    "text", ["", "a", "$a", "$.", "$.1", "$[*]", "$..a", "$[01]", '$["a"', "$" + ".a" * 21]
)
def test_what_is_no_singular_query_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(ValueError, match=r"begins with \$|write"):
        jsonpath.parsed(text)
