"""What served before: the way back. Pure.

A function's past is a stack of the shares that were in force, oldest first. A step of a release is none of them
until it is promoted; going back takes from the stack what was fled from, so that going back twice goes further.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

Shares = Mapping[str, int]
"""Percent by revision, of those that have any."""

MOST = 50
"""States that are remembered, the newest."""


def after(
    past: tuple[Shares, ...], before: Shares, now: Shares, *, was_settled: bool, goes_back: bool
) -> tuple[Shares, ...]:
    """The past once traffic has moved from ``before`` to ``now``. ``was_settled`` is False where ``before`` was a
    step of a release.
    """
    if before == now:
        return past
    if goes_back:
        return past[: _last(past, now)]
    if not before or not was_settled:
        return past
    return (*past, before)[-MOST:]


def _last(past: tuple[Shares, ...], now: Shares) -> int:
    return next((at for at in reversed(range(len(past))) if past[at] == now), len(past))


def last_good(
    past: tuple[Shares, ...], now: Shares, *, kept: Collection[str], condemned: Collection[str]
) -> Shares | None:
    """What served last before the present shares, all of whose revisions are still kept and none of which was
    taken back by its release; None where there is nothing like that.
    """
    for shares in reversed(past):
        if shares != now and all(name in kept and name not in condemned for name in shares):
            return shares
    return None
