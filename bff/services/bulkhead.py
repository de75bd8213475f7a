"""How many calls one service may hold, so that it cannot hold the others' memory and time.

Envoy's circuit breaking (``max_connections``, ``max_pending_requests``; UO in its access log): over HTTP/1.1 every
call that is sent has a connection, so calls up to ``max_connections`` are on their way and the next
``max_pending`` wait for one. Whoever comes after that is refused at once.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkheadPolicy:
    """``max_pending`` is Envoy's default of ``max_pending_requests``. WebSockets have ``max_websockets`` of their own:
    they last, and would leave no connection for calls.
    """

    max_connections: int = 100
    max_pending: int = 1024
    max_websockets: int = 1024

    @property
    def most(self) -> int:
        """Calls of one service at a time, sent or waiting."""
        return self.max_connections + self.max_pending


class Bulkhead:
    """The places of one service. Mutable state: ``inside``, calls that have one."""

    __slots__ = ("inside", "most")

    def __init__(self, most: int) -> None:
        self.most = most
        self.inside = 0

    def enter(self) -> bool:
        """Take a place; False when there is none."""
        if self.inside >= self.most:
            return False
        self.inside += 1
        return True

    def leave(self) -> None:
        """Give it back."""
        self.inside -= 1

    def __repr__(self) -> str:
        return f"<Bulkhead {self.inside} of {self.most}>"
