"""How many retries and hedges a service may be sent beyond its ordinary calls.

Finagle's RetryBudget (https://twitter.github.io/finagle/docs/com/twitter/finagle/service/RetryBudget.html):
every call deposits a fifth of a token, every retry takes a whole one, and a reserve of three a second lets
services that are seldom called retry too. Deposits and withdrawals are forgotten after ten seconds. It knows
nothing of why somebody retries; see :mod:`bff.services.retry`.
"""

from __future__ import annotations

from dataclasses import dataclass

SLOTS = 10
"""Parts of the window that are forgotten one at a time, as Finagle's WindowedAdder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetPolicy:
    """``ratio`` of calls that may be sent again, plus ``per_second``; ``ttl`` is the window in seconds."""

    ratio: float = 0.2
    per_second: float = 3.0
    ttl: float = 10.0

    @property
    def reserve(self) -> float:
        """Retries of one window that no call has paid for."""
        return self.per_second * self.ttl


class RetryBudget:
    """The tokens of one service, shared by its retries and hedges.

    Mutable state: ``_calls`` and ``_retries`` count by slot, ``_slot`` is the newest, ``_called`` and
    ``_retried`` are their sums. Whole numbers only: a sum of tenths would drift.
    """

    __slots__ = ("_called", "_calls", "_policy", "_retried", "_retries", "_slot", "_width")

    def __init__(self, policy: BudgetPolicy | None = None) -> None:
        self._policy = policy or BudgetPolicy()
        self._width = self._policy.ttl / SLOTS
        self._calls = [0] * SLOTS
        self._retries = [0] * SLOTS
        self._slot = 0
        self._called = self._retried = 0

    def deposit(self, now: float) -> None:
        """Count one first attempt. ``now`` is the clock's, in seconds, and never goes back."""
        slot = int(now / self._width)
        if slot != self._slot:
            self._forget(slot)
        self._calls[slot % SLOTS] += 1
        self._called += 1

    def withdraw(self, now: float) -> bool:
        """Take the token for one retry or hedge; False when there is none, and then do not send it."""
        if self.balance(now) < 1:
            return False
        self._retries[self._slot % SLOTS] += 1
        self._retried += 1
        return True

    def balance(self, now: float) -> float:
        """Retries that may be sent at this moment; negative while the calls that paid for some are forgotten."""
        slot = int(now / self._width)
        if slot != self._slot:
            self._forget(slot)
        return self._policy.reserve + self._policy.ratio * self._called - self._retried

    def counts(self, now: float) -> tuple[int, int]:
        """First attempts, and retries with hedges, of the window that ends now."""
        slot = int(now / self._width)
        if slot != self._slot:
            self._forget(slot)
        return self._called, self._retried

    @property
    def policy(self) -> BudgetPolicy:
        """How much it gives."""
        return self._policy

    def _forget(self, slot: int) -> None:
        """Clear every slot that has been passed since the last call."""
        for passed in range(max(self._slot, slot - SLOTS) + 1, slot + 1):
            at = passed % SLOTS
            self._called -= self._calls[at]
            self._retried -= self._retries[at]
            self._calls[at] = self._retries[at] = 0
        self._slot = slot

    def __repr__(self) -> str:
        return f"<RetryBudget {self._retried} retries for {self._called} calls in {self._policy.ttl:g} s>"
