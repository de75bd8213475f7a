"""Which failed attempts are worth another, and when. Pure; the budget and the clock are others' business.

The words for what may be retried are Envoy's (``x-envoy-retry-on``); safe methods are RFC 9110 §9.2.1's. A
request that may have had an effect is never sent twice unless its author said that it may be.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import StrEnum
from random import Random

SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
"""RFC 9110 §9.2.1. PUT and DELETE are idempotent too (§9.2.2), but a lost answer followed by a second PUT can
undo somebody else's: their author says so with ``idempotent``."""

IDEMPOTENCY_KEY = "idempotency-key"
"""draft-ietf-httpapi-idempotency-key-header: the service itself keeps doubles apart."""

_SECONDS = re.compile(r"[0-9]{1,9}")


class Condition(StrEnum):
    """What went wrong, in Envoy's words."""

    CONNECT = "connect-failure"
    RESET = "reset"
    TIMEOUT = "per-try-timeout"
    GATEWAY = "gateway-error"
    SERVER = "5xx"
    LIMITED = "rate-limited"


NEVER_SENT = frozenset({Condition.CONNECT})
"""Nothing of the request reached the service: any method may try again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """One attempt that brought no good answer. ``retry_after`` is seconds from now, None if nothing was said."""

    condition: Condition
    retry_after: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """A service's ``retries``. Seconds.

    ``attempts`` are beyond the first, as Istio's HTTPRetry counts them; ``base`` and the cap of ten times it
    are Envoy's; ``max_retry_after`` is the longest ``Retry-After`` that is waited for: longer, and the answer
    is handed over instead. ``per_try_timeout`` is Istio's ``perTryTimeout``; 0 is none.
    """

    attempts: int = 2
    on: frozenset[Condition] = frozenset(
        {Condition.CONNECT, Condition.RESET, Condition.TIMEOUT, Condition.GATEWAY}
    )
    base: float = 0.025
    cap: float = 0.25
    max_retry_after: float = 1.0
    per_try_timeout: float = 0.0


def may_repeat(method: str, headers: Collection[str], *, idempotent: bool) -> bool:
    """Whether the request may reach its service twice. ``headers`` are lower-case names."""
    return idempotent or method in SAFE or IDEMPOTENCY_KEY in headers


def failed_status(status: int, retry_after: float | None = None) -> Failed | None:
    """What a status says of the service; None for an answer, which a 404 is too."""
    if status in (502, 503, 504):
        return Failed(condition=Condition.GATEWAY, retry_after=retry_after)
    if status >= 500:
        return Failed(condition=Condition.SERVER, retry_after=retry_after)
    if status == 429:
        return Failed(condition=Condition.LIMITED, retry_after=retry_after)
    return None


def is_retryable(failed: Failed, policy: RetryPolicy, *, repeatable: bool) -> bool:
    """Whether the policy wants this failure retried and the request may be sent again."""
    if failed.condition in NEVER_SENT:
        return failed.condition in policy.on
    wanted = failed.condition in policy.on or (
        failed.condition is Condition.GATEWAY and Condition.SERVER in policy.on
    )
    return repeatable and wanted


def backoff(retry: int, policy: RetryPolicy, random: Random) -> float:
    """Seconds to wait before the ``retry``-th retry, counted from 0: anything up to a doubling ceiling.

    Full jitter, as Envoy's router does and https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter
    explains: those who failed together must not come back together.
    """
    ceiling = min(policy.cap, policy.base * 2.0 ** min(retry, 30))
    return random.uniform(0.0, ceiling)


def wait_before(
    retry: int,
    failed: Failed,
    policy: RetryPolicy,
    *,
    repeatable: bool,
    remaining: float,
    random: Random,
    expected: float = 0.0,
) -> float | None:
    """Seconds to wait before sending it again, or None: do not.

    ``remaining`` is what is left until the deadline and ``expected`` how long an attempt is thought to take, where that
    is measured (for hedges): a retry that cannot finish in time only adds to a service's load.
    """
    if retry >= policy.attempts or not is_retryable(failed, policy, repeatable=repeatable):
        return None
    wait = backoff(retry, policy, random)
    if failed.retry_after is not None:
        if failed.retry_after > policy.max_retry_after:
            return None
        wait = max(wait, failed.retry_after)
    return wait if wait + expected < remaining else None


def retry_after(headers: Mapping[str, str], wall: float) -> float | None:
    """Seconds that ``Retry-After`` asks for (RFC 9110 §10.2.3: a number, or a date); None when it says nothing
    that can be read.
    """
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    if _SECONDS.fullmatch(text):
        return float(text)
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    if at.tzinfo is None:  # obsolete dates carry no zone; HTTP's are UTC (RFC 9110 §5.6.7)
        at = at.replace(tzinfo=UTC)
    return max(0.0, at.timestamp() - wall)
