"""What follows on each attempt, as a table; what a dead letter carries; who gets an event."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bff.config import DeliveryConfig, TriggerConfig
from bff.events import broker
from bff.events.broker import DEAD, DELIVERED, Outcome, Retry
from bff.sdk.cloudevent import CloudEvent, checked

NOW = 1_767_225_600.0
EVENT = CloudEvent(id="1", source="/s", type="t", data={"a": 1})


def policy(**said: Any) -> DeliveryConfig:
    return DeliveryConfig.model_validate({"retry": 3, "backoffDelay": "PT1S", **said})


def after(status: int, attempt: int = 1, *, retry_after: str = "", **said: Any) -> Any:
    return broker.after(Outcome(status=status, retry_after=retry_after), attempt, policy(**said), NOW)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_2xx_is_delivered(status: int) -> None:
    assert after(status) is DELIVERED


@pytest.mark.parametrize("status", [404, 408, 409, 429, 500, 502, 503, 504, 507, 599])
def test_what_may_change_is_tried_again(status: int) -> None:
    """Knative's data plane: 5xx, and four of 4xx."""
    assert after(status) == Retry(at=NOW + 1)


@pytest.mark.parametrize("status", [301, 304, 400, 401, 403, 410, 413, 415, 422, 451, 499])
def test_what_will_not_change_is_dead_at_once(status: int) -> None:
    assert after(status) is DEAD


def test_the_last_attempt_is_the_one_after_all_retries() -> None:
    assert [type(after(500, attempt)) for attempt in (1, 2, 3)] == [Retry] * 3
    assert after(500, 4) is DEAD
    assert after(500, 1, retry=0) is DEAD


@pytest.mark.parametrize(
    ("said", "waits"),
    [
        ({}, [1, 2, 4, 8, 16]),
        ({"backoffPolicy": "linear"}, [1, 2, 3, 4, 5]),
        ({"backoffMax": "PT5S"}, [1, 2, 4, 5, 5]),
        ({"backoffDelay": "PT0S"}, [0, 0, 0, 0, 0]),
        ({"backoffDelay": "PT0.2S"}, [0.2, 0.4, 0.8, 1.6, 3.2]),
    ],
)
def test_waits_grow_as_the_policy_says(said: dict[str, Any], waits: list[float]) -> None:
    assert [broker.wait(attempt, policy(**said)) for attempt in range(1, 6)] == pytest.approx(waits)


@given(st.integers(1, 101), st.floats(0.001, 1e6), st.sampled_from(["linear", "exponential"]))
def test_no_wait_is_longer_than_the_longest(attempt: int, delay: float, kind: str) -> None:
    """However many attempts there were; and none is shorter than the one before."""
    said = DeliveryConfig.model_construct(backoff_policy=kind, backoff_delay=delay, backoff_max=3600.0)
    assert broker.wait(attempt, said) <= broker.wait(attempt + 1, said) <= 3600.0


@pytest.mark.parametrize(
    ("status", "retry_after", "said", "wait"),
    [
        (503, "30", {}, 30),
        (429, "30", {}, 30),
        (500, "30", {}, 1),
        (503, "30", {"retryAfterMax": "PT10S"}, 10),
        (503, "30", {"retryAfterMax": "PT0S"}, 1),
        (503, "0", {}, 1),
        (503, "soon", {}, 1),
        (503, "Thu, 01 Jan 2026 00:01:00 GMT", {}, 60),
        (503, "Thu, 01 Jan 2020 00:01:00 GMT", {}, 1),
        (503, "9" * 40, {"retryAfterMax": "P1D"}, 86_400),
    ],
)
def test_retry_after_is_heeded_within_its_limit(
    status: int, retry_after: str, said: dict[str, Any], wait: float
) -> None:
    """Of 429 and 503 only; the longer of both waits counts."""
    assert after(status, retry_after=retry_after, **said) == Retry(at=NOW + wait)


def test_a_dead_letter_says_where_and_why() -> None:
    """Knative's three extensions; the data is what it was, and it is still a CloudEvent."""
    said = Outcome(status=500, data="no\nmail\0\ud800" + "x" * 2000, detail="The function answered 500.")
    letter = checked(broker.dead_letter(EVENT, said, "/functions/mail"))
    assert letter.data == {"a": 1}
    assert letter.extensions["knativeerrordest"] == "/functions/mail"
    assert letter.extensions["knativeerrorcode"] == 500
    assert letter.extensions["knativeerrordata"].startswith("no mail  x")
    assert len(letter.extensions["knativeerrordata"]) == 1024


def triggers(**said: Any) -> Any:
    return broker.triggers_of({name: TriggerConfig.model_validate(each) for name, each in said.items()})


def test_each_trigger_decides_for_itself() -> None:
    made = triggers(
        every={"function": "a"},
        some={"function": "b", "filters": [{"exact": {"type": "t"}}]},
        other={"function": "b", "filters": [{"exact": {"type": "u"}}]},
    )
    said = broker.decide(EVENT, made)
    assert [(each.trigger.name, each.matched) for each in said] == [
        ("every", True),
        ("some", True),
        ("other", False),
    ]
    assert said[2].why_not == "exact: type is 't', not 'u'"


def test_a_lane_is_what_events_have_in_common() -> None:
    """By attribute or path; where nothing is, order does not matter."""
    by_id, by_path, none = triggers(
        one={"function": "a", "order": "id"}, two={"function": "a", "order": "$.a"}, three={"function": "a"}
    )
    assert [each.lane_of(EVENT) for each in (by_id, by_path, none)] == ['one:"1"', "two:1", ""]
    assert by_path.lane_of(CloudEvent(id="1", source="/s", type="t")) == ""


def test_triggers_that_say_the_same_have_the_same_digest() -> None:
    def digest(**said: Any) -> str:
        return broker.digest_of({"a": TriggerConfig.model_validate({"function": "f", **said})})

    assert digest() == digest(filters=[])
    assert digest() != digest(filters=[{"exact": {"type": "t"}}])
