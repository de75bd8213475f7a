"""The table of an instance's life, pair by pair."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bff.runtime.lifecycle import NEXT, State, moved

ALLOWED = {
    ("cold", "warming"),
    ("cold", "evicted"),
    ("warming", "warm"),
    ("warming", "cold"),
    ("warm", "idle"),
    ("idle", "warm"),
    ("warm", "draining"),
    ("idle", "draining"),
    ("draining", "evicted"),
}


@pytest.mark.parametrize(("now", "to"), list(product(State, State)))
def test_every_pair_is_allowed_or_refused(now: State, to: State) -> None:
    """Exactly the steps of the drawing; any other is a bug that says so."""
    if (now, to) in ALLOWED:
        assert moved(now, to) is to
    else:
        with pytest.raises(ValueError, match=f"an instance cannot go from {now} to {to}"):
            moved(now, to)


def test_every_state_has_a_row() -> None:
    """And every state but the first can be reached."""
    assert set(NEXT) == set(State)
    assert set().union(*NEXT.values()) == set(State)


def test_nothing_comes_after_eviction() -> None:
    """The end is an end."""
    assert NEXT[State.EVICTED] == frozenset()


@given(st.lists(st.sampled_from(State)))
def test_no_walk_serves_twice_or_comes_back(wishes: list[State]) -> None:
    """Whatever is asked for: warmed up at most once, draining only after warm or idle, never back from there."""
    now, path = State.COLD, [State.COLD]
    for wish in wishes:
        if wish in NEXT[now]:
            now = moved(now, wish)
            path.append(now)
    warmed = [at for at, state in enumerate(path) if state is State.WARM and path[at - 1] is State.WARMING]
    assert len(warmed) <= 1
    assert path.count(State.EVICTED) <= 1
    if State.DRAINING in path:
        assert path[path.index(State.DRAINING) - 1] in (State.WARM, State.IDLE)
        assert not {State.WARM, State.IDLE} & set(path[path.index(State.DRAINING) :])
    if State.EVICTED in path:
        assert path[-1] is State.EVICTED
        assert path[-2] in (State.DRAINING, State.COLD)


def test_states_are_written_as_words() -> None:
    """In logs, in `bff list` and in labels."""
    assert f"{State.WARM}" == "warm"
