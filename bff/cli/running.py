"""How the functions of a running gateway are, in a table and in sentences about what needs somebody."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from bff.config.units import duration_text
from bff.signals import Culprit, ThreadsStuck

COLUMNS = (
    *("function", "revision", "state", "instances", "in flight", "waiting"),
    *("warm-ups", "p50 ms", "p99 ms", "last used", "evictions", "returned"),
)

Told = Mapping[str, Any]


def row(told: Told, now: float) -> list[str]:
    """One function's line; ``now`` is Unix time. What there is nothing to say of stays empty."""
    warm_up = told.get("warm_up") or {}
    return [
        *(_text(told.get(key)) for key in ("name", "revision", "state", "instances", "in_flight", "waiting")),
        *(_text(warm_up.get(key)) for key in ("count", "p50_ms", "p99_ms")),
        _ago(told.get("last_used"), now),
        _text(told.get("evictions")),
        _size(told.get("bytes_returned")),
    ]


def sentences(told: Told) -> Iterator[str]:
    """What somebody should look after, each with its remedy."""
    name, blocked = str(told["name"]), told.get("blocked") or {}
    if blocked.get("count"):
        yield (
            f"{name} blocked the event loop {_times(blocked['count'])}, {blocked['longest_ms']} ms at most, "
            f"at {blocked['line'] or 'a place unknown'}\n  {Culprit(function=name).remedy}"
        )
    if stuck := told.get("stuck_threads"):
        remedy = ThreadsStuck(function=name, revision="", count=stuck).remedy
        yield f"{name} has threads that do not end: {stuck}\n  {remedy}"
    if failure := told.get("failure"):
        yield f"{name} could not be loaded: {failure}"


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _ago(moment: str | None, now: float) -> str:
    if moment is None:
        return ""
    return f"{duration_text(max(0, round(now - datetime.fromisoformat(moment).timestamp())))} ago"


def _size(count: int | None) -> str:
    return "" if count is None else f"{count / 2**20:.1f} MiB"
