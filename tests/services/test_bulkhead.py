"""A service holds so many calls and no more."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bff.services.bulkhead import Bulkhead, BulkheadPolicy


@given(st.integers(1, 9), st.integers(0, 9), st.lists(st.booleans(), max_size=100))
def test_never_more_inside_than_connections_and_line(
    connections: int, pending: int, steps: list[bool]
) -> None:
    """Whoever comes then is refused, and whoever leaves makes room for exactly one."""
    bulkhead = Bulkhead(BulkheadPolicy(max_connections=connections, max_pending=pending).most)
    inside = 0
    for enters in steps:
        if enters:
            assert bulkhead.enter() == (inside < connections + pending)
            inside = min(inside + 1, connections + pending)
        elif inside:
            bulkhead.leave()
            inside -= 1
        assert bulkhead.inside == inside
