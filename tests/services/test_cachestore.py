"""The store: bounded in bytes, the least used goes first, purged by URL and by tag."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from bff.services.cachestore import LARGEST_SHARE, MOST_VARIANTS, CacheStore
from bff.services.directives import NOTHING_SAID
from bff.services.freshness import Lifetime
from bff.services.stored import ANONYMOUS, OVERHEAD, Key, Stored, selecting, vary_of

LIFETIME = Lifetime(
    fresh_for=60, age=0, since=0, directives=NOTHING_SAID, stale_while_revalidate=0, stale_if_error=0
)


def key(path: str, **more: str) -> Key:
    return Key(space="route", url=f"//example.com{path}", **more)  # type: ignore[arg-type]


def stored(body: bytes = b"x", **more: object) -> Stored:
    return Stored(status=200, fields=(), body=body, lifetime=LIFETIME, **more)  # type: ignore[arg-type]


def test_what_was_put_is_found_by_exactly_its_key() -> None:
    store, kept = CacheStore(), stored()
    mine = key("/a", subject="ada", lane="blue", revision="d1")
    assert store.put(mine, kept)
    assert store.find(mine, ()) is kept
    for other in (
        replace(mine, url="//example.com/b"),
        replace(mine, url="//other.com/a"),
        replace(mine, subject=ANONYMOUS),
        replace(mine, lane=""),
        replace(mine, revision="d2"),
        replace(mine, space="service users"),
        replace(mine, caller=(("accept", "x"),)),
    ):
        assert store.find(other, ()) is None


def test_variants_are_told_apart_by_their_selecting_fields() -> None:
    store, place = CacheStore(), key("/a")
    answers = [(b"vary", b"Accept-Language")]
    for language in (b"de", b"fr"):
        asked = [(b"accept-language", language)]
        store.put(place, stored(language, vary=vary_of(asked, answers)))
    store.put(place, stored(b"none", vary=vary_of([], answers)))

    def found(*asked: tuple[bytes, bytes]) -> bytes | None:
        kept = store.find(place, asked)
        return kept.body if kept else None

    assert found((b"accept-language", b"de")) == b"de"
    assert found((b"accept-language", b" fr ")) == b"fr"
    assert found() == b"none"
    assert found((b"accept-language", b"en")) is None
    assert store.has(place)
    store.put(place, stored(b"new", vary=vary_of([(b"accept-language", b"de")], answers)))
    assert found((b"accept-language", b"de")) == b"new"
    assert found((b"accept-language", b"fr")) == b"fr"


def test_space_around_commas_and_lines_make_no_difference() -> None:
    assert selecting([(b"a", b" x ,  y")], b"a") == selecting([(b"a", b"x"), (b"a", b"y")], b"a") == b"x,y"
    assert selecting([], b"a") is None


def test_one_cookie_can_be_the_selecting_field() -> None:
    asked = [(b"cookie", b"a=1; lang=de"), (b"cookie", b"b=2")]
    assert selecting(asked, b"cookie:lang") == b"de"
    assert selecting(asked, b"cookie:b") == b"2"
    assert selecting(asked, b"cookie:c") is None
    assert selecting([(b"cookie", b"a=1; a=2")], b"cookie:a") == b"1;2"


def test_another_way_to_negotiate_drops_the_old_variants() -> None:
    store, place = CacheStore(), key("/a")
    store.put(place, stored(b"old", vary=((b"accept", b"x"),)))
    store.put(place, stored(b"new"))
    assert [kept.body for kept in store.variants(place)] == [b"new"]


def test_variants_are_bounded() -> None:
    store, place = CacheStore(), key("/a")
    for number in range(MOST_VARIANTS + 5):
        store.put(place, stored(b"x", vary=((b"a", b"%d" % number),)))
    assert len(store.variants(place)) == MOST_VARIANTS
    assert store.variants(place)[0].vary == ((b"a", b"%d" % (MOST_VARIANTS + 4)),)


def test_the_least_used_goes_when_space_is_short() -> None:
    size = stored(b"x" * 1000).size
    store = CacheStore(size * LARGEST_SHARE)
    for number in range(LARGEST_SHARE):
        store.put(key(f"/{number}"), stored(b"x" * 1000, tags=("all",)))
    store.find(key("/0"), ())
    store.put(key("/new"), stored(b"x" * 1000, tags=("all",)))
    assert store.find(key("/1"), ()) is None
    assert store.find(key("/0"), ()) is not None
    assert store.bytes <= store.max_bytes
    assert store.purge_tag("all") == LARGEST_SHARE


def test_one_answer_never_empties_the_store() -> None:
    store = CacheStore(80_000)
    store.put(key("/a"), stored())
    store.put(key("/large"), stored(b"x"))
    assert not store.put(key("/large"), stored(b"x" * 10_001))
    assert store.find(key("/large"), ()) is None
    assert store.find(key("/a"), ()) is not None


def test_a_url_is_purged_for_everybody_and_a_path_at_every_host() -> None:
    store = CacheStore()
    for subject in (ANONYMOUS, "ada"):
        store.put(key("/a?x=1", subject=subject), stored())
    store.put(Key(space="route", url="//other.com/a?x=1"), stored())
    store.put(key("/a"), stored())
    assert store.purge_url("https://example.com/a?x=1") == 2
    assert store.purge_url("/a?x=1") == 1
    assert store.purge_url("/a?x=1") == 0
    assert store.find(key("/a"), ()) is not None


def test_a_services_url_is_purged_as_it_is_called() -> None:
    store, place = CacheStore(), Key(space="service users", url="http://users/7")
    store.put(place, stored())
    assert store.purge_url("/7") == 0
    assert store.purge_url("http://users/7") == 1


def test_a_tag_purges_what_was_kept_under_it() -> None:
    store = CacheStore()
    store.put(key("/a"), stored(tags=("home", "all")))
    store.put(key("/b"), stored(tags=("all",)))
    assert store.purge_tag("home") == 1
    assert store.purge_tag("all") == 1
    assert store.purge_tag("all") == 0
    assert len(store) == 0


def test_swapping_needs_the_old_one_to_be_there() -> None:
    store, old, new = CacheStore(), stored(b"old"), stored(b"new")
    store.swap(key("/a"), old, new)
    assert store.find(key("/a"), ()) is None
    store.put(key("/a"), old)
    store.swap(key("/a"), old, new)
    assert store.find(key("/a"), ()) is new
    store.remove(key("/a"), old)
    assert store.find(key("/a"), ()) is new
    store.remove(key("/a"), new)
    assert not store.has(key("/a"))


def test_a_smaller_bound_keeps_the_most_used() -> None:
    store = CacheStore(1_000_000)
    for number in range(20):
        store.put(key(f"/{number}"), stored(b"x" * 1000, tags=(f"t{number}",)))
    store.find(key("/0"), ())
    store.resize(stored(b"x" * 1000).size * LARGEST_SHARE)
    assert store.find(key("/0"), ()) is not None
    assert store.find(key("/1"), ()) is None
    assert len(store) == LARGEST_SHARE
    assert store.purge_tag("t1") == 0
    assert store.purge_tag("t0") == 1


def test_clearing_tells_how_many() -> None:
    store = CacheStore()
    store.put(key("/a"), stored())
    assert store.clear() == 1
    assert store.bytes == 0
    assert repr(store) == "<CacheStore: 0 keys, 0 of 64000000 bytes>"


class Shelves(RuleBasedStateMachine):
    """Whatever is done: the bound is kept, and the indexes hold exactly what is there."""

    def __init__(self) -> None:
        super().__init__()
        self.store = CacheStore(20_000)

    paths = st.sampled_from(["/a", "/b", "/c", "/d?x"])
    subjects = st.sampled_from([ANONYMOUS, "ada"])
    tags = st.lists(st.sampled_from(["t", "u"]), max_size=2, unique=True).map(tuple)

    @rule(
        path=paths,
        subject=subjects,
        size=st.integers(0, 3000),
        tags=tags,
        vary=st.sampled_from([b"", b"1", b"2"]),
    )
    def put(self, path: str, subject: str, size: int, tags: tuple[str, ...], vary: bytes) -> None:
        varies = ((b"a", vary),) if vary else ()
        self.store.put(key(path, subject=subject), stored(b"x" * size, tags=tags, vary=varies))

    @rule(path=paths)
    def purge(self, path: str) -> None:
        self.store.purge_url(path)
        assert not self.store.has(key(path))

    @rule(tag=st.sampled_from(["t", "u"]))
    def purge_tag(self, tag: str) -> None:
        self.store.purge_tag(tag)
        assert all(tag not in each.tags for place in self._keys() for each in self.store.variants(place))

    @rule(size=st.integers(6_000, 30_000))
    def resize(self, size: int) -> None:
        self.store.resize(size)

    def _keys(self) -> set[Key]:
        return set(self.store._kept)

    @invariant()
    def the_bound_is_kept(self) -> None:
        assert self.store.bytes <= self.store.max_bytes
        assert self.store.bytes == sum(
            each.size for place in self._keys() for each in self.store.variants(place)
        )

    @invariant()
    def the_indexes_are_true(self) -> None:
        by_url = {place for keys in self.store._by_url.values() for place in keys}
        assert by_url == self._keys()
        by_tag = {place for keys in self.store._by_tag.values() for place in keys}
        assert by_tag == {p for p in self._keys() if any(each.tags for each in self.store.variants(p))}


TestShelves = pytest.mark.filterwarnings("ignore")(Shelves.TestCase)
Shelves.TestCase.settings = settings(max_examples=40, stateful_step_count=25)


@given(st.binary(max_size=50))
def test_a_size_counts_everything_that_grows(body: bytes) -> None:
    assert stored(body, vary=((b"a", b"bc"),)).size == OVERHEAD + len(body) + 2
