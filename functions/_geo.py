"""Places on a sphere: as unit vectors, and how far apart they are along the surface."""

import math

EARTH_RADIUS_KM = 6371.0088  # IUGG's mean radius R1

Vector = tuple[float, float, float]


def unit_vector(lat: float, lon: float) -> Vector:
    """The place on the unit sphere; neither the poles nor the date line are special there."""
    north, east = math.radians(lat), math.radians(lon)
    return math.cos(north) * math.cos(east), math.cos(north) * math.sin(east), math.sin(north)


def kilometres(one: Vector, other: Vector) -> float:
    """The great-circle distance, from the length of the chord between the two."""
    return 2 * EARTH_RADIUS_KM * math.asin(min(1.0, math.dist(one, other) / 2))
