"""The gallery's ``distance`` finds what looking at every airport would find, from a file made for it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from bff.testing import Client
from demo.nearby import airports, ordered

ROOT = Path(__file__).parents[2]


@pytest.fixture
def bff_config() -> Path:
    """The project's own gallery."""
    return ROOT / "routes.yaml"


def test_the_file_is_what_the_demo_writes() -> None:
    """Every airport once, in the order of the tree."""
    header, *rows = (ROOT / "functions/distance/airports.csv").read_text("utf-8").splitlines()
    assert header == "iata,lat,lon"
    assert rows == [f"{iata},{lat:g},{lon:g}" for iata, lat, lon in ordered(airports())]


def test_the_nearest_are_those_that_looking_at_all_finds(bff_client: Client) -> None:
    """Poles, the date line and twenty places between."""
    places = {iata: (lat, lon) for iata, lat, lon in airports()}
    chance = random.Random(7)
    points = [(90.0, 0.0), (-90.0, 0.0), (10.0, 180.0), (10.0, -180.0)]
    points += [(round(chance.uniform(-90, 90), 3), round(chance.uniform(-180, 180), 3)) for _ in range(20)]
    for lat, lon in points:
        near = bff_client.get("/api/distance", params={"lat": lat, "lon": lon, "limit": 7}).json()
        every = sorted(kilometres((lat, lon), place) for place in places.values())
        assert [each["distance_km"] for each in near] == pytest.approx(every[:7], abs=0.06)
        assert all(
            kilometres((lat, lon), places[each["iata"]]) == pytest.approx(each["distance_km"], abs=0.06)
            for each in near
        )


def kilometres(one: tuple[float, float], other: tuple[float, float]) -> float:
    """By the haversine formula, which the function does not use."""
    from math import asin, cos, radians, sin, sqrt

    (north, east), (to_north, to_east) = (tuple(map(radians, place)) for place in (one, other))
    half = sin((to_north - north) / 2) ** 2 + cos(north) * cos(to_north) * sin((to_east - east) / 2) ** 2
    return 2 * 6371.0088 * asin(min(1.0, sqrt(half)))
