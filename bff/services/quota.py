"""How many connections a service has over all of its endpoints: Envoy's ``max_connections`` is a cluster's, not a
host's. It knows nothing of sockets; pools ask before they dial, and say when a connection is gone.
"""

from __future__ import annotations

from typing import Protocol


class Pool(Protocol):
    """The connections to one endpoint."""

    @property
    def taken(self) -> int:
        """How many it has, or is making."""

    def close_idle(self) -> bool:
        """Close the one that was idle longest; False where none is."""

    def serve(self) -> None:
        """There is room again for whoever waits."""


class Quota:
    """Mutable state: its ``_pools``, and those that are ``hungry``: refused a connection."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._pools: list[Pool] = []
        self.hungry: dict[Pool, None] = {}

    def join(self, pool: Pool) -> None:
        """One more endpoint."""
        self._pools.append(pool)

    def leave(self, pool: Pool) -> None:
        """An endpoint is gone, and all of its connections."""
        self._pools.remove(pool)
        self.hungry.pop(pool, None)
        self.given_back()

    def grant(self, pool: Pool) -> bool:
        """Whether the pool may make a connection. One that is idle elsewhere makes room; without any the pool is
        served once there is some.
        """
        while not self._has_room:
            if not any(each.close_idle() for each in self._pools if each is not pool):
                self.hungry[pool] = None
                return False
        return True

    def wants(self, pool: Pool) -> bool:
        """Whether a pool shall give up a connection that it could use again: another one was refused and has fewer, and
        a slow endpoint with a long line would never leave it any.
        """
        return any(each.taken + 1 < pool.taken for each in self.hungry if each is not pool)

    def lost(self, pool: Pool, *, waits: bool) -> None:
        """One of the pool's connections is gone; its callers may wait for another."""
        if waits:
            self.hungry.setdefault(pool)
        self.given_back()

    def given_back(self) -> None:
        """A connection is gone: whoever was refused and has the fewest may try again."""
        while self.hungry and self._has_room:
            pool = min(self.hungry, key=lambda each: each.taken)
            del self.hungry[pool]
            pool.serve()

    @property
    def _has_room(self) -> bool:
        return sum(pool.taken for pool in self._pools) < self._most

    def __repr__(self) -> str:
        taken = sum(pool.taken for pool in self._pools)
        return f"<Quota: {taken} of {self._most} connections, {len(self.hungry)} endpoints want more>"
