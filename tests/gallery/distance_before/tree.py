"""A k-d tree over unit vectors: the nearest of many places without looking at all of them.

On the sphere the chord orders places as the great circle does, and neither the poles nor the date line need
a special case (Bentley 1975; the search is the textbook one).
"""

import heapq
import math
from dataclasses import dataclass

from .._geo import Vector, kilometres, unit_vector


@dataclass(frozen=True, slots=True)
class Place:
    """An airport's code and where it is."""

    iata: str
    lat: float
    lon: float
    vector: Vector

    @classmethod
    def at(cls, iata: str, lat: float, lon: float) -> "Place":
        """The place at these degrees."""
        return cls(iata, lat, lon, unit_vector(lat, lon))


@dataclass(frozen=True, slots=True)
class Node:
    """A place, and those on either side of it along ``axis``."""

    place: Place
    axis: int
    below: "Node | None"
    above: "Node | None"


def build(places: list[Place], axis: int = 0) -> Node | None:
    """A balanced tree: each node is the median of what lies under it."""
    if not places:
        return None
    ordered = sorted(places, key=lambda place: place.vector[axis])
    middle = len(ordered) // 2
    following = (axis + 1) % 3
    return Node(
        ordered[middle], axis, build(ordered[:middle], following), build(ordered[middle + 1 :], following)
    )


def nearest(tree: Node | None, point: Vector, limit: int) -> list[tuple[float, Place]]:
    """The ``limit`` nearest places with their distance in kilometres, nearest first."""
    found: list[tuple[float, str, Place]] = []  # a heap, the farthest on top: its chords are negated

    def look(node: Node | None) -> None:
        if node is None:
            return
        candidate = (-math.dist(point, node.place.vector), node.place.iata, node.place)
        if len(found) < limit:
            heapq.heappush(found, candidate)
        else:
            heapq.heappushpop(found, candidate)
        beyond = point[node.axis] - node.place.vector[node.axis]
        near, far = (node.below, node.above) if beyond < 0 else (node.above, node.below)
        look(near)
        # The other side is worth a look only if the dividing plane is nearer than the worst one kept.
        if len(found) < limit or abs(beyond) <= -found[0][0]:
            look(far)

    look(tree)
    return [(kilometres(point, place.vector), place) for _, _, place in sorted(found, reverse=True)]
