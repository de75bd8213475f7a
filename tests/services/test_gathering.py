"""Bodies on their way into the store: bounded each, and all together, and gone once nobody gathers them."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from bff.services.cachestore import CacheStore
from bff.services.gathering import SHARE, Gathering, Room


def room(size: int = 8000) -> Room:
    """Of a store whose largest answer has 1,000 bytes, and where 2,000 may be gathered at a time."""
    return Room(CacheStore(size))


def begun(place: Room, length: int | None = None) -> Gathering:
    gathering = place.begin(length)
    assert gathering is not None
    return gathering


def test_pieces_become_the_whole() -> None:
    gathering = begun(room())
    for piece in (b"a", b"", b"bc"):
        gathering.add(piece)
    assert gathering.whole() == b"abc"


def test_what_cannot_be_kept_is_not_begun() -> None:
    assert room().begin(1001) is None
    assert room().begin(1000) is not None


def test_what_turns_out_too_large_is_let_go_at_once() -> None:
    place = room()
    gathering = begun(place)
    gathering.add(b"x" * 1000)
    gathering.add(b"x")
    assert (place.taken, gathering.whole()) == (0, None)
    gathering.add(b"more")
    assert (place.taken, gathering.whole()) == (0, None)


def test_many_at_a_time_take_no_more_than_their_share() -> None:
    place = room()
    gatherings = [begun(place) for _ in range(5)]
    for gathering in gatherings:
        gathering.add(b"x" * 900)
    assert [gathering.whole() is not None for gathering in gatherings] == [True, True, False, False, False]
    gatherings[0].give_up()
    late = begun(place)
    late.add(b"y" * 900)
    assert late.whole() == b"y" * 900


@given(st.lists(st.tuples(st.integers(0, 4), st.binary(max_size=700), st.booleans()), max_size=40))
@settings(max_examples=60)
def test_the_room_is_never_overdrawn_and_always_given_back(steps: list[tuple[int, bytes, bool]]) -> None:
    place = room()
    gatherings = [begun(place) for _ in range(5)]
    for at, piece, gives_up in steps:
        gatherings[at].add(piece)
        if gives_up:
            gatherings[at].give_up()
        assert 0 <= place.taken * SHARE <= 8000
        assert place.taken == sum(len(each.whole() or b"") for each in gatherings)
    for each in gatherings:
        each.give_up()
    assert place.taken == 0
