"""When a second request is sent beside one that takes unusually long. Pure.

Finagle's BackupRequestFilter (https://twitter.github.io/finagle/guide/MethodBuilder.html#backup-requests): to send
at most ``max_extra_load`` more, wait for the latency that all but that share of the calls keep. Whoever answers
first wins and the other is cancelled. "The Tail at Scale" (Dean and Barroso, 2013) has the reasons.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from bff.services.budget import BudgetPolicy
from bff.services.latency import Latency

SHORTEST_DELAY = 0.001
"""Seconds; Finagle's ``minSendBackupAfterMs``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HedgePolicy:
    """A service's ``hedge``: ``max_extra_load`` is the share of calls that may be sent twice, 0.01 for 1 %."""

    max_extra_load: float = 0.01

    @property
    def share(self) -> float:
        """The percentile of the latency that is waited for, from 0 to 1."""
        return 1.0 - self.max_extra_load

    @property
    def budget(self) -> BudgetPolicy:
        """What hedges may take, besides what they take from the service's retry budget: no reserve, so that a
        burst cannot go over the share.
        """
        return BudgetPolicy(ratio=self.max_extra_load, per_second=0.0, ttl=30.0)

    @property
    def fewest_samples(self) -> int:
        """Calls to have seen before the percentile means anything."""
        return math.ceil(1.0 / self.max_extra_load)


def delay(policy: HedgePolicy, latency: Latency, now: float, *, remaining: float) -> float | None:
    """Seconds to wait for the first attempt before a second is sent; None: send none.

    None too when the answer of a second attempt could not come before the deadline: it would take about as long.
    """
    if latency.count(now) < policy.fewest_samples:
        return None
    usual = latency.percentile(policy.share, now)
    if usual is None:
        return None
    wait = max(usual, SHORTEST_DELAY)
    return wait if 2 * wait < remaining else None
