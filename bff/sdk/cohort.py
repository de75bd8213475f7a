"""Which side of a release a call counts for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Side(StrEnum):
    """The newer revision's calls, and as many of the one it is compared with."""

    CANARY = "canary"
    BASELINE = "baseline"


@dataclass(frozen=True, slots=True)
class Cohort:
    """One side's calls while ``canary`` has ``percent`` of a function's; ``revision`` is the side's own."""

    function: str
    canary: str
    percent: int
    side: Side
    revision: str
