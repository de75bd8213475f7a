"""Seconds of a meter as the columns that charts are drawn from. Pure."""

from __future__ import annotations

from bff.console.meter import SHOWN, Cell, Meter

Columns = list[list[float | None]]


def columns(meter: Meter, now: float, wall: float, function: str | None = None) -> tuple[Columns, Columns]:
    """Calls and errors per second, and the median and 99th percentile in milliseconds, both with Unix times first."""
    first = int(wall - (now - int(now))) - SHOWN
    times: list[float | None] = [float(first + second) for second in range(SHOWN)]
    cells = [cell or _NONE for cell in meter.each(SHOWN, now, function)]
    return (
        [times, [float(cell.count) for cell in cells], [float(cell.errors) for cell in cells]],
        [times, *([_rounded(cell.quantile(share)) for cell in cells] for share in (0.5, 0.99))],
    )


_NONE = Cell()


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")
