"""Writes the data of the gallery's ``distance`` from the package ``airportsdata``: every airport with an IATA
code, in the order in which the function searches them, so that it need not sort anything when it starts.

    python -m demo.nearby > functions/distance/airports.csv
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import airportsdata

Row = tuple[str, float, float]


def ordered(rows: list[Row], axis: int = 0) -> Iterator[Row]:
    """The rows as a balanced k-d tree lies in a list: the middle one divides the others by x, y and z in turn."""
    if rows:
        rows = sorted(rows, key=lambda row: _vector(row)[axis])
        middle = len(rows) // 2
        yield from ordered(rows[:middle], (axis + 1) % 3)
        yield rows[middle]
        yield from ordered(rows[middle + 1 :], (axis + 1) % 3)


def _vector(row: Row) -> tuple[float, float, float]:
    north, east = math.radians(row[1]), math.radians(row[2])
    return math.cos(north) * math.cos(east), math.cos(north) * math.sin(east), math.sin(north)


def airports() -> list[Row]:
    """Code, latitude and longitude of each, right within a hundred metres."""
    found = airportsdata.load("IATA").items()
    return sorted((iata, _short(it["lat"]), _short(it["lon"])) for iata, it in found)


def _short(degrees: float) -> float:
    return float(f"{round(degrees, 4):.6g}")


if __name__ == "__main__":
    print("iata,lat,lon")
    for iata, lat, lon in ordered(airports()):
        print(f"{iata},{lat:g},{lon:g}")
