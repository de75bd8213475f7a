"""Which of several endpoints gets the next call. Pure but for a turn counter; randomness is handed in.

Istio's LEAST_REQUEST (the default there and here) and ROUND_ROBIN, with Envoy's weights and slow start
(https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/load_balancing/slow_start).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Protocol, TypeVar

LEAST_OF_SLOW_START = 0.1
"""The share of its weight that an endpoint begins with (Envoy's ``min_weight_percent``)."""


class Algorithm(StrEnum):
    """Istio's names, in lower case."""

    LEAST_REQUEST = "least_request"
    ROUND_ROBIN = "round_robin"


class Candidate(Protocol):
    """What is asked of an endpoint: its weight, calls on their way, and when it joined, in clock seconds."""

    weight: float
    active: int
    joined: float


C = TypeVar("C", bound=Candidate)


@dataclass(frozen=True, slots=True, kw_only=True)
class BalancePolicy:
    """A service's ``balance``. ``slow_start`` is the seconds in which a new endpoint's share grows; 0 is none."""

    algorithm: Algorithm = Algorithm.LEAST_REQUEST
    slow_start: float = 0.0


def effective_weight(candidate: Candidate, policy: BalancePolicy, now: float) -> float:
    """Its weight, smaller while it is new: from a tenth, linearly (Envoy's ``aggression`` of 1)."""
    age = now - candidate.joined
    if age >= policy.slow_start or not policy.slow_start:
        return candidate.weight
    return candidate.weight * max(LEAST_OF_SLOW_START, age / policy.slow_start)


def least_request(candidates: Sequence[C], policy: BalancePolicy, now: float, random: Random) -> C:
    """Of two chosen at random, the one with fewer calls on their way for its weight.

    Two are enough: the longest line grows as log log n instead of log n / log log n (Mitzenmacher, "The Power of
    Two Choices in Randomized Load Balancing", 2001).
    """
    count = len(candidates)
    if count == 1:
        return candidates[0]
    first = int(random.random() * count)
    second = int(random.random() * (count - 1))
    if second >= first:
        second += 1
    one, other = candidates[first], candidates[second]
    # Multiplied crosswise, so that nothing is divided by a weight.
    mine = (one.active + 1) * effective_weight(other, policy, now)
    its = (other.active + 1) * effective_weight(one, policy, now)
    return one if mine <= its else other


class RoundRobin:
    """In turn, each as often as its weight, spread evenly: nginx's smooth weighted round robin.

    Mutable state: ``_turn`` of the equals, and ``_credit`` by endpoint where weights differ.
    """

    __slots__ = ("_credit", "_turn")

    def __init__(self) -> None:
        self._turn = 0
        self._credit: dict[int, float] = {}

    def next(self, candidates: Sequence[C], policy: BalancePolicy, now: float) -> C:
        """The endpoint whose turn it is."""
        weights = [effective_weight(each, policy, now) for each in candidates]
        if min(weights) == max(weights):
            self._turn += 1
            return candidates[self._turn % len(candidates)]
        # Whoever has left is dropped with its credit; its place in memory may be another's by now.
        credit = {id(each): self._credit.get(id(each), 0.0) for each in candidates}
        for each, weight in zip(candidates, weights, strict=True):
            credit[id(each)] += weight
        chosen = max(candidates, key=lambda each: credit[id(each)])
        credit[id(chosen)] -= sum(weights)
        self._credit = credit
        return chosen


class Balancer:
    """One service's way of choosing. Mutable state: the turn, and what the random numbers were."""

    __slots__ = ("_policy", "_random", "_turns")

    def __init__(self, policy: BalancePolicy, random: Random) -> None:
        self._policy = policy
        self._random = random
        self._turns = RoundRobin()

    @property
    def is_free(self) -> bool:
        """Whether a choice that nobody follows changes nothing."""
        return self._policy.algorithm is not Algorithm.ROUND_ROBIN

    def choose(self, candidates: Sequence[C], now: float) -> C:
        """One of them; there must be one."""
        if self._policy.algorithm is Algorithm.ROUND_ROBIN:
            return self._turns.next(candidates, self._policy, now)
        return least_request(candidates, self._policy, now, self._random)
