"""A k-d tree over unit vectors: the nearest of many places without looking at all of them.

On the sphere the chord orders places as the great circle does, and neither the poles nor the date line need
a special case (Bentley 1975; the search is the textbook one). The tree is a list in an order of its own: the
middle row of any stretch divides the others by x, y and z in turn, so that there is nothing to build.
"""

import heapq
import math

from .._geo import Vector, kilometres, unit_vector


class Place:
    """An airport's code and where it is."""

    __slots__ = ("iata", "lat", "lon", "vector")

    def __init__(self, row: str) -> None:
        self.iata, lat, lon = row.split(",")
        self.lat, self.lon = float(lat), float(lon)
        self.vector = unit_vector(self.lat, self.lon)


class Tree:
    """Rows such as ``AMS,52.3086,4.7639``, in the order told above. A row is read when a search first meets it.

    Mutable state: ``_read``.
    """

    def __init__(self, rows: list[str]) -> None:
        self._rows = rows
        self._read: dict[int, Place] = {}

    def nearest(self, point: Vector, limit: int) -> list[tuple[float, Place]]:
        """The ``limit`` nearest places with their distance in kilometres, nearest first."""
        found: list[tuple[float, str, Place]] = []  # a heap, the farthest on top: its chords are negated

        def look(begin: int, end: int, axis: int) -> None:
            if begin == end:
                return
            middle, following = begin + (end - begin) // 2, (axis + 1) % 3
            place = self._place(middle)
            candidate = (-math.dist(point, place.vector), place.iata, place)
            if len(found) < limit:
                heapq.heappush(found, candidate)
            else:
                heapq.heappushpop(found, candidate)
            beyond = point[axis] - place.vector[axis]
            below, above = (begin, middle), (middle + 1, end)
            near, far = (below, above) if beyond < 0 else (above, below)
            look(*near, following)
            # The other side is worth a look only if the dividing plane is nearer than the worst one kept.
            if len(found) < limit or abs(beyond) <= -found[0][0]:
                look(*far, following)

        look(0, len(self._rows), 0)
        return [(kilometres(point, place.vector), place) for _, _, place in sorted(found, reverse=True)]

    def _place(self, at: int) -> Place:
        place = self._read.get(at)
        if place is None:
            place = self._read[at] = Place(self._rows[at])
        return place
