"""How functions do at the moment: rates and times over the last seconds, from what is remembered. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from bff.frozen import frozen
from bff.telemetry.entry import Entry

MOST_ENTRIES = 5000
"""Entries that are looked at; where there were more in that time, the window is shorter."""


@frozen
class Pulse:
    """One function over the last ``window`` seconds. Rates are per second, times are seconds."""

    function: str
    window: float
    count: int
    rate: float
    errors: float
    slow: int
    cold: int
    incomplete: int
    p50: float
    p99: float
    longest: float


def recent(entries: Iterable[Entry], now: float, window: float) -> tuple[list[Entry], float]:
    """Those of the last ``window`` seconds, and how long that is if there were more than are looked at. ``entries``
    come newest first.
    """
    found: list[Entry] = []
    for entry in entries:
        if entry.ended < now - window:
            break
        if len(found) >= MOST_ENTRIES:
            return found, max(now - found[-1].ended, 1e-3)
        found.append(entry)
    return found, window


def pulses_of(entries: Iterable[Entry], now: float, window: float) -> list[Pulse]:
    """One for each function that was called, the busiest first. ``entries`` come newest first."""
    by_function: dict[str, list[Entry]] = {}
    looked_at, window = recent(entries, now, window)
    for entry in looked_at:
        if entry.function:
            by_function.setdefault(entry.function, []).append(entry)
    found = [_pulse(name, each, window) for name, each in by_function.items()]
    return sorted(found, key=lambda each: (-each.count, each.function))


def _pulse(function: str, entries: list[Entry], window: float) -> Pulse:
    times = sorted(entry.seconds for entry in entries)
    return Pulse(
        function=function,
        window=window,
        count=len(entries),
        rate=len(entries) / window,
        errors=sum(entry.is_error for entry in entries) / window,
        slow=sum(entry.is_slow for entry in entries),
        cold=sum(entry.phases is not None for entry in entries),
        incomplete=sum(bool(entry.missing) for entry in entries),
        p50=quantile(times, 0.5),
        p99=quantile(times, 0.99),
        longest=times[-1],
    )


def quantile(times: list[float], share: float) -> float:
    """The least time that so many are not above (nearest rank)."""
    return times[max(0, -int(-share * len(times) // 1) - 1)]
