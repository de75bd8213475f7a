"""What is sent again, when, and what never is."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bff.services.retry import (
    Condition,
    Failed,
    RetryPolicy,
    backoff,
    failed_status,
    is_retryable,
    may_repeat,
    retry_after,
    wait_before,
)

EVERYTHING = RetryPolicy(on=frozenset(Condition))
FAILURES = st.builds(Failed, condition=st.sampled_from(Condition), retry_after=st.none() | st.floats(0, 10))
POLICIES = st.builds(
    RetryPolicy,
    attempts=st.integers(0, 5),
    on=st.frozensets(st.sampled_from(Condition)),
    base=st.floats(0.001, 1),
)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "TRACE"])
def test_safe_methods_may_be_repeated(method: str) -> None:
    """RFC 9110 §9.2.1."""
    assert may_repeat(method, (), idempotent=False)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "get", "PROPFIND"])
def test_others_only_when_somebody_vouches_for_them(method: str) -> None:
    """By ``idempotent: true``, or by an Idempotency-Key; methods are compared with case (RFC 9110 §9.1)."""
    assert not may_repeat(method, {"content-type"}, idempotent=False)
    assert may_repeat(method, (), idempotent=True)
    assert may_repeat(method, {"idempotency-key"}, idempotent=False)


@given(FAILURES, POLICIES, st.integers(0, 5), st.floats(0, 30))
def test_what_may_have_had_an_effect_is_never_sent_twice(
    failed: Failed, policy: RetryPolicy, retry: int, remaining: float
) -> None:
    """For every policy and failure: an unrepeatable request is sent again only if it was never sent."""
    wait = wait_before(retry, failed, policy, repeatable=False, remaining=remaining, random=Random(1))
    assert wait is None or failed.condition is Condition.CONNECT


@given(FAILURES, POLICIES, st.integers(0, 9), st.floats(-1, 30), st.floats(0, 5), st.integers())
def test_nothing_is_sent_that_cannot_finish(
    failed: Failed, policy: RetryPolicy, retry: int, remaining: float, expected: float, seed: int
) -> None:
    """The wait and what an attempt is thought to take fit into what is left, and attempts are counted."""
    wait = wait_before(
        retry, failed, policy, repeatable=True, remaining=remaining, expected=expected, random=Random(seed)
    )
    if wait is not None:
        assert wait + expected < remaining
        assert retry < policy.attempts
        assert failed.condition in policy.on or Condition.SERVER in policy.on


@given(st.integers(0, 2000), st.integers())
def test_the_wait_doubles_up_to_its_cap_and_is_full_jitter(retry: int, seed: int) -> None:
    """Anything from nothing to the ceiling; the ceiling is ten times the base at most, as Envoy's."""
    wait = backoff(retry, RetryPolicy(), Random(seed))
    assert 0 <= wait <= min(0.25, 0.025 * 2.0 ** min(retry, 20))


def test_waits_differ() -> None:
    """Those who failed together do not come back together: the draws cover the whole range."""
    random = Random(7)
    waits = [backoff(2, RetryPolicy(), random) for _ in range(1000)]
    assert min(waits) < 0.005
    assert max(waits) > 0.095
    assert 0.045 < sum(waits) / 1000 < 0.055


@pytest.mark.parametrize(
    ("status", "condition"),
    [
        (200, None),
        (304, None),
        (404, None),
        (429, Condition.LIMITED),
        (500, Condition.SERVER),
        (501, Condition.SERVER),
        (502, Condition.GATEWAY),
        (503, Condition.GATEWAY),
        (504, Condition.GATEWAY),
        (599, Condition.SERVER),
    ],
)
def test_what_a_status_says(status: int, condition: Condition | None) -> None:
    """Envoy's gateway-error and 5xx, and the one 4xx that asks to come again."""
    failed = failed_status(status)
    assert (failed and failed.condition) == condition


def test_the_default_retries_no_500() -> None:
    """A bug answers the same again; what stands for a gateway's trouble is tried elsewhere."""
    policy = RetryPolicy()
    assert not is_retryable(Failed(condition=Condition.SERVER), policy, repeatable=True)
    assert not is_retryable(Failed(condition=Condition.LIMITED), policy, repeatable=True)
    assert is_retryable(Failed(condition=Condition.GATEWAY), policy, repeatable=True)
    everything_5xx = RetryPolicy(on=frozenset({Condition.SERVER}))
    assert is_retryable(Failed(condition=Condition.GATEWAY), everything_5xx, repeatable=True)


def test_retry_after_is_honoured_up_to_a_bound() -> None:
    """Not sooner than the service said; and when it said too long, not at all."""

    def wait(said: float) -> float | None:
        failed = Failed(condition=Condition.GATEWAY, retry_after=said)
        return wait_before(0, failed, EVERYTHING, repeatable=True, remaining=60, random=Random(1))

    assert wait(0.8) == 0.8
    assert wait(1.0) == 1.0
    assert wait(1.1) is None
    assert 0 <= (wait(0.0) or 0.0) <= 0.025


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("3", 3.0),
        (" 0 ", 0.0),
        ("Thu, 01 Jan 2026 00:00:30 GMT", 30.0),
        ("Thursday, 01-Jan-26 00:00:30 GMT", 30.0),
        ("Thu Jan  1 00:00:30 2026", 30.0),
        ("Thu, 01 Jan 2025 00:00:30 GMT", 0.0),
        ("", None),
        ("-3", None),
        ("3.5", None),
        ("soon", None),
        ("99999999999999999999", None),
    ],
)
def test_what_retry_after_says(text: str, seconds: float | None) -> None:
    """A number of seconds or a date in any of HTTP's three forms; a date that has passed means now."""
    assert retry_after({"retry-after": text}, wall=1_767_225_600.0) == seconds


@given(st.text(max_size=40))
def test_no_text_breaks_the_reader_of_retry_after(text: str) -> None:
    """It comes from a service that is in trouble already."""
    said = retry_after({"retry-after": text}, wall=0.0)
    assert said is None or said >= 0
