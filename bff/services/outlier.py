"""How many endpoints of one service may be out at the same time. Pure, Envoy's arithmetic and defaults."""

from __future__ import annotations

from dataclasses import dataclass

from bff.services.retry import Condition, Failed


@dataclass(frozen=True, slots=True, kw_only=True)
class OutlierPolicy:
    """Percentages: of a service's endpoints, at most ``max_ejection`` are out; with fewer than ``panic`` in,
    all are used again (Envoy's ``max_ejection_percent`` and ``healthy_panic_threshold``).
    """

    max_ejection: float = 10.0
    panic: float = 50.0


def may_eject(total: int, ejected: int, policy: OutlierPolicy) -> bool:
    """Whether one more may go: within the percentage, but always one, whatever the percentage."""
    return ejected == 0 or (ejected + 1) * 100 <= policy.max_ejection * total


def is_panicking(total: int, admitted: int, policy: OutlierPolicy) -> bool:
    """Whether so few endpoints are left that they would break under everybody's calls.

    Never with a single endpoint: there is nobody to protect by calling it, and its breaker is what keeps a dead
    service from holding its callers.
    """
    return total > 1 and admitted * 100 < policy.panic * total


def is_endpoints_fault(failed: Failed | None, *, alone: bool) -> bool:
    """Whether an attempt's failure counts against its endpoint.

    With several endpoints every 5xx does, as Envoy's ``consecutive_5xx``: others can take its calls. One that
    stands alone is often a whole load balancer, and one bad path of it must not close all others: there only
    what Envoy calls a gateway failure counts (no connection, no answer, 502, 503, 504). A 429 is an answer.
    """
    if failed is None or failed.condition is Condition.LIMITED:
        return False
    return not (alone and failed.condition is Condition.SERVER)
