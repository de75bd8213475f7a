"""Who wants to hear that somebody takes no more calls, the gateway or an instance: answers that would go on for
hours are told, and end in peace.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Farewells:
    """Mutable state: ``has_been_said``, and ``_waiting``, who is told when it is."""

    __slots__ = ("_waiting", "has_been_said")

    def __init__(self) -> None:
        self.has_been_said = False
        self._waiting: dict[object, Callable[[], object]] = {}

    @contextmanager
    def told(self, goodbye: Callable[[], object]) -> Iterator[None]:
        """Within the block, ``goodbye`` is called when it ends; at once if it does already."""
        key = object()
        self._waiting[key] = goodbye
        if self.has_been_said:
            goodbye()
        try:
            yield
        finally:
            del self._waiting[key]

    def say(self) -> None:
        """Tell everybody, once."""
        if not self.has_been_said:
            self.has_been_said = True
            for goodbye in list(self._waiting.values()):
                goodbye()
