"""The cache's flow: a look, an answer heard, something kept. An origin and callers are played by the test."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bff.services.cache import Asked, Cache, Found, Whole
from bff.services.cachestore import CacheStore
from bff.services.fields import Pair, first
from bff.services.freshness import OBEDIENT, Policy
from bff.services.stored import Key
from bff.testing import ManualClock

URL = "http://users.internal/users/7"
Origin = Callable[[list[Pair]], tuple[int, list[Pair], bytes]]


class Play:
    """A client of the cache that does as passthrough does: look, ask, hear, keep. ``calls`` is what was asked."""

    def __init__(self, origin: Origin, policy: Policy = OBEDIENT) -> None:
        self.clock = ManualClock()
        self.cache = Cache(clock=self.clock)
        self.origin = origin
        self.policy = policy
        self.calls: list[list[Pair]] = []
        self.took = 0.0
        self.fails = False
        self.found = Found()
        self.refreshes = 0

    def get(self, *fields: Pair, method: str = "GET", url: str = URL, authorized: bool = False) -> Whole:
        key = Key(space="service users", url=url)
        asked = Asked.read(method, key, fields, self.policy, is_authorized=authorized)
        self.found = found = self.cache.look(asked)
        if found.is_hit:
            assert found.stored is not None
            self.refreshes += found.refreshes
            return self.cache.answer(found.stored, asked)
        if found.is_forbidden:
            return Whole(status=504, fields=())
        return self._ask(asked, found)

    def _ask(self, asked: Asked, found: Found) -> Whole:
        sent = [*asked.fields, *found.conditions]
        self.calls.append(sent)
        began = self.clock.now()
        self.clock._now += self.took
        if self.fails:
            stand_in = self.cache.failed(asked, found)
            return Whole(status=502, fields=()) if stand_in is None else self.cache.answer(stand_in, asked)
        status, fields, body = self.origin(sent)
        received = self.cache.received(status, fields, began)
        verdict = self.cache.heard(asked, found, received)
        if verdict.again:
            return self._ask(asked, Found(stored=found.stored, why=found.why))
        if verdict.stored is not None:
            return self.cache.answer(verdict.stored, asked)
        if verdict.keeps:
            self.cache.keep(asked, received, body)
        return Whole(status=status, fields=tuple(fields), body=body)

    def wait(self, seconds: float) -> None:
        self.clock._now += seconds


def counting(*fields: Pair, status: int = 200) -> Origin:
    """An origin whose body is the number of the call."""
    count = 0

    def origin(_: list[Pair]) -> tuple[int, list[Pair], bytes]:
        nonlocal count
        count += 1
        return status, list(fields), b"%d" % count

    return origin


def cc(text: str) -> Pair:
    return b"cache-control", text.encode()


def test_what_is_fresh_is_served_without_asking_and_tells_its_age() -> None:
    play = Play(counting(cc("max-age=10"), (b"age", b"2"), (b"x", b"1")))
    assert play.get().body == b"1"
    play.wait(3)
    again = play.get()
    assert (again.status, again.body, len(play.calls)) == (200, b"1", 1)
    assert [value for name, value in again.fields if name == b"age"] == [b"5"]
    assert first(again.fields, b"x") == b"1"
    play.wait(5)
    assert play.get().body == b"2"


def test_a_slow_answer_is_older() -> None:
    play = Play(counting(cc("max-age=10")))
    play.took = 4
    play.get()
    assert first(play.get().fields, b"age") == b"4"


def test_why_a_request_went_on_is_told() -> None:
    """RFC 9211 §2.2."""
    play = Play(counting(cc("max-age=10"), (b"vary", b"a"), (b"etag", b'"e"')))
    reasons = []
    for fields in ((), ((b"a", b"1"),), (cc("no-cache"),)):
        play.get(*fields)
        reasons.append(play.found.why)
    play.get(method="POST")
    reasons.append(play.found.why)
    play.get()
    play.wait(11)
    play.get()
    reasons.append(play.found.why)
    assert reasons == ["uri-miss", "vary-miss", "request", "method", "stale"]


def revalidating(said: str, *, etag: bytes = b'"v1"', news: tuple[Pair, ...] = ()) -> Origin:
    def origin(asked: list[Pair]) -> tuple[int, list[Pair], bytes]:
        if (b"if-none-match", etag) in asked:
            return 304, [cc(said), (b"etag", etag), *news], b""
        return 200, [cc(said), (b"etag", etag), (b"old", b"1"), (b"same", b"1")], b"body"

    return origin


def test_what_is_stale_is_validated_and_its_fields_are_updated() -> None:
    play = Play(revalidating("max-age=10", news=((b"old", b"2"), (b"content-length", b"0"))))
    play.get()
    play.wait(11)
    again = play.get()
    assert play.calls[1] == [(b"if-none-match", b'"v1"')]
    assert (again.status, again.body) == (200, b"body")
    assert (first(again.fields, b"old"), first(again.fields, b"same")) == (b"2", b"1")
    assert first(again.fields, b"age") == b"0"
    assert first(again.fields, b"content-length") == b"4"
    play.wait(9)
    assert play.get().body == b"body"
    assert len(play.calls) == 2


def test_no_cache_is_validated_every_time() -> None:
    play = Play(revalidating("no-cache"))
    for _ in range(3):
        assert play.get().body == b"body"
    assert [len(call) for call in play.calls] == [0, 1, 1]


def test_a_304_for_something_else_is_not_believed() -> None:
    def origin(asked: list[Pair]) -> tuple[int, list[Pair], bytes]:
        if any(name == b"if-none-match" for name, _ in asked):
            return 304, [(b"etag", b'"other"')], b""
        return 200, [cc("max-age=1"), (b"etag", b'"v1"')], b"%d" % len(play.calls)

    play = Play(origin)
    play.get()
    play.wait(2)
    assert play.get().body == b"3"
    assert play.calls[2] == []


def test_a_304_may_forbid_to_keep_what_it_confirms() -> None:
    said = "max-age=1"
    play = Play(lambda asked: revalidating(said)(asked))
    play.get()
    play.wait(2)
    said = "no-store"
    assert play.get().body == b"body"
    assert len(play.cache.store) == 0


def test_a_newer_answer_that_may_not_be_kept_takes_the_old_one_away() -> None:
    said = "max-age=1"
    play = Play(lambda _: (200, [cc(said)], b"x"), Policy(stale_if_error=100))
    play.get()
    play.wait(2)
    said = "no-store"
    play.get()
    play.fails = True
    assert play.get().status == 502


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_failure_is_replaced_within_stale_if_error(status: int) -> None:
    answers = [(200, [cc("max-age=1, stale-if-error=10")], b"good"), (status, [], b"bad")]
    play = Play(lambda _: answers[min(len(play.calls), 2) - 1])
    play.get()
    play.wait(5)
    assert play.get().body == b"good"
    play.wait(10)
    assert (play.get().status, play.get().body) == (status, b"bad")


def test_no_answer_at_all_is_replaced_only_with_leave() -> None:
    for said, status in (
        ("max-age=1", 502),
        ("max-age=1, stale-if-error=10", 200),
        ("max-age=1, must-revalidate", 502),
    ):
        play = Play(counting(cc(said)))
        play.get()
        play.wait(5)
        play.fails = True
        assert play.get().status == status


def test_stale_while_revalidate_serves_and_wants_a_refresh() -> None:
    play = Play(counting(cc("max-age=1, stale-while-revalidate=10")))
    play.get()
    play.wait(5)
    assert play.get().body == b"1"
    assert (len(play.calls), play.refreshes) == (1, 1)
    play.wait(10)
    assert play.get().body == b"2"


def test_only_if_cached_asks_nobody() -> None:
    play = Play(counting(cc("max-age=10")))
    assert play.get(cc("only-if-cached")).status == 504
    play.get()
    assert play.get(cc("only-if-cached")).body == b"1"
    play.wait(11)
    assert play.get(cc("only-if-cached")).status == 504
    assert len(play.calls) == 1


def test_a_head_is_answered_from_a_get() -> None:
    play = Play(counting(cc("max-age=10")))
    play.get()
    head = play.get(method="HEAD")
    assert (head.status, head.body, first(head.fields, b"content-length")) == (200, b"", b"1")
    assert len(play.calls) == 1


def test_the_answer_to_a_head_is_not_kept_for_a_get() -> None:
    play = Play(counting(cc("max-age=10")))
    play.get(method="HEAD")
    assert play.get().body == b"2"


def test_a_head_freshens_or_removes_the_get() -> None:
    """RFC 9111 §4.3.5."""
    fields = [cc("max-age=10"), (b"etag", b'"v1"'), (b"x", b"1"), (b"content-length", b"4")]
    play = Play(lambda _: (200, list(fields), b"body"))
    play.get()
    play.wait(11)
    fields[2] = (b"x", b"2")
    play.get(method="HEAD")
    assert first(play.get().fields, b"x") == b"2"
    assert len(play.calls) == 2
    play.wait(11)
    fields[1] = (b"etag", b'"v2"')
    play.get(method="HEAD")
    assert len(play.cache.store) == 0


def test_conditions_of_the_caller_are_answered_from_what_is_kept() -> None:
    play = Play(revalidating("max-age=10"))
    play.get()
    same = play.get((b"if-none-match", b'"v1"'))
    assert (same.status, same.body, first(same.fields, b"etag")) == (304, b"", b'"v1"')
    assert play.get((b"if-none-match", b'"v0"')).status == 200
    assert len(play.calls) == 1


def test_a_part_is_cut_from_what_is_kept_whole() -> None:
    play = Play(revalidating("max-age=10"))
    play.get()
    part = play.get((b"range", b"bytes=1-2"))
    assert (part.status, part.body) == (206, b"od")
    assert first(part.fields, b"content-range") == b"bytes 1-2/4"
    assert first(part.fields, b"content-length") == b"2"
    assert play.get((b"range", b"bytes=0-0,2-2")).status == 200


def part(held: bytes, body: bytes, said: str = "max-age=10", *more: Pair) -> Origin:
    return lambda _: (206, [cc(said), (b"content-range", held), *more], body)


def wants(text: str) -> Pair:
    return b"range", text.encode()


def test_a_part_is_kept_for_what_lies_within_it() -> None:
    """RFC 9111 §3.3, told apart by nothing but its bytes; the whole is another matter."""
    play = Play(part(b"bytes 2-5/8", b"2345"))
    play.get(wants("bytes=2-5"))
    for wish, says, body in (
        ("2-5", b"2-5", b"2345"),
        ("3-4", b"3-4", b"34"),
        ("4-", b"4-7", None),
        ("-4", b"4-7", None),
    ):
        before, got = len(play.calls), play.get(wants(f"bytes={wish}"))
        assert (len(play.calls) == before) is (body is not None), wish
        if body is not None:
            assert (got.status, got.body) == (206, body)
            assert (b"content-range", b"bytes %b/8" % says) in got.fields
            assert (b"content-length", b"%d" % len(body)) in got.fields
            assert (b"age", b"0") in got.fields
    for fields, method in (((), "GET"), ((wants("bytes=2-5"),), "HEAD"), ((wants("bytes=2-3,4-5"),), "GET")):
        before = len(play.calls)
        play.get(*fields, method=method)
        assert len(play.calls) == before + 1


def test_the_end_of_something_may_be_asked_for_by_its_length() -> None:
    play = Play(part(b"bytes 4-9/10", b"456789"))
    play.get(wants("bytes=4-"))
    assert play.get(wants("bytes=-5")).body == b"56789"
    assert play.get(wants("bytes=5-")).body == b"56789"
    assert play.get(wants("bytes=8-20")).body == b"89"
    assert len(play.calls) == 1


@pytest.mark.parametrize(
    ("held", "body", "said", "asked"),
    [
        (b"bytes 0-1/*", b"bo", "max-age=10", "bytes=0-1"),
        (b"bytes 0-1/4", b"boo", "max-age=10", "bytes=0-1"),
        (b"bytes 1-0/4", b"", "max-age=10", "bytes=0-1"),
        (b"bytes 3-4/4", b"bo", "max-age=10", "bytes=3-4"),
        (b"lines 0-1/4", b"bo", "max-age=10", "lines=0-1"),
        (b"bytes 0-1/4", b"bo", "private, max-age=10", "bytes=0-1"),
        (b"bytes 0-1/4", b"bo", "max-age=0", "bytes=0-1"),
        (b"bytes 0-1/4", b"bo", "public", "bytes=0-1"),
        (b"bytes 0-1/4", b"bo", "max-age=10", ""),
    ],
)
def test_a_part_that_is_not_clear_or_may_not_be_kept_is_not(
    held: bytes, body: bytes, said: str, asked: str
) -> None:
    play = Play(part(held, body, said, (b"etag", b'"a"')))
    for _ in range(2):
        play.get(*([wants(asked)] if asked else []))
    assert len(play.calls) == 2
    assert len(play.cache.store) == 0


def test_a_part_is_gone_with_what_it_is_of() -> None:
    """By time, by a newer whole that may not be kept itself, by a change, by a purge."""
    ends: dict[str, Callable[[Play], object]] = {
        "time": lambda play: play.wait(11),
        "a newer whole": lambda play: play.get(),
        "a change": lambda play: play.get(method="PUT"),
        "a purge": lambda play: play.cache.purge_url(URL),
    }
    for name, end in ends.items():
        play = Play(part(b"bytes 0-1/4", b"bo"))
        play.get(wants("bytes=0-1"))
        play.origin = counting(cc("no-store"))
        end(play)
        before = len(play.calls)
        play.get(wants("bytes=0-1"))
        assert len(play.calls) == before + 1, name


def test_a_part_of_another_version_is_not_given() -> None:
    """Nor one that a condition is about, nor to other selecting fields, nor to who wants it new."""
    tag = ((b"etag", b'"a"'), (b"vary", b"foo"))
    play = Play(part(b"bytes 0-1/4", b"bo", "max-age=10", *tag))
    play.get(wants("bytes=0-1"))
    assert play.get(wants("bytes=0-0"), (b"if-range", b'"a"')).body == b"b"
    assert len(play.calls) == 1
    others: tuple[Pair, ...] = (
        (b"if-range", b'"b"'),
        (b"if-none-match", b'"a"'),
        (b"if-match", b'"b"'),
        (b"foo", b"1"),
        cc("no-cache"),
    )
    for number, field in enumerate(others, start=2):
        play.get(wants("bytes=0-1"), field)
        assert len(play.calls) == number, field


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "M-SEARCH"])
def test_what_changes_something_invalidates_its_url_and_those_it_points_to(method: str) -> None:
    """RFC 9111 §4.4."""
    play = Play(counting(cc("max-age=100")))
    base = "http://users.internal"
    for path in ("/users/7", "/users/8", "/users/9", "/users/10"):
        play.get(url=base + path)
    other = Key(space="x", url="http://other/users/9")
    asked = Asked.read("GET", other, ())
    play.cache.keep(asked, play.cache.received(200, [cc("max-age=100")], play.clock.now()), b"other")
    play.origin = counting((b"location", b"/users/8"), (b"content-location", b"9"))
    play.get(method=method)
    play.origin = counting((b"location", b"http://other/users/9"))
    play.get(method=method)
    kept = [
        path
        for path in ("7", "8", "9", "10")
        if play.cache.store.has(Key(space="service users", url=f"{base}/users/{path}"))
    ]
    assert kept == ["10"]
    assert play.cache.store.has(other)


@pytest.mark.parametrize(
    "change",
    [
        lambda play: play.get(method="PUT"),
        lambda play: play.cache.purge_url(URL),
        lambda play: play.cache.purge_tag("users"),
    ],
    ids=["a PUT", "a purged URL", "a purged tag"],
)
def test_an_answer_that_was_on_its_way_before_a_change_is_not_kept(change: Callable[[Play], object]) -> None:
    """It may show what was there before; who asks after the change is answered and served as ever."""
    play = Play(counting(), Policy(ttl=100, tags=("users",)))
    asked = Asked.read("GET", Key(space="service users", url=URL), (), play.policy)
    began = play.clock.now()
    play.wait(1)
    change(play)
    play.wait(1)
    received = play.cache.received(200, [], began)
    assert play.cache.heard(asked, Found(), received).keeps
    assert play.cache.keep(asked, received, b"before") is None
    body = play.get().body
    assert body != b"before"
    assert play.get().body == body
    other = Asked.read("GET", Key(space="service users", url=f"{URL}?other"), (), Policy(ttl=100))
    assert play.cache.keep(other, play.cache.received(200, [], began), b"not meant") is not None


def test_what_fails_or_is_safe_invalidates_nothing() -> None:
    play = Play(counting(cc("max-age=100")))
    play.get()
    play.origin = counting(status=500)
    play.get(method="POST")
    play.origin = counting()
    play.get(method="OPTIONS")
    assert len(play.cache.store) == 1


def test_a_large_answer_is_passed_on_and_not_kept() -> None:
    play = Play(lambda _: (200, [cc("max-age=10")], b"x" * 5000))
    play.cache = Cache(clock=play.clock, store=CacheStore(20_000))
    assert len(play.get().body) == 5000
    assert len(play.cache.store) == 0


def test_tags_of_the_policy_are_kept_with_the_answer() -> None:
    play = Play(counting(), Policy(ttl=10, tags=("users",)))
    play.get()
    assert play.get().body == b"1"
    assert play.cache.store.purge_tag("users") == 1
    assert play.get().body == b"2"


_CALLERS = st.sampled_from([b"", b"Bearer ada", b"Bearer bob"])
_SAID = st.lists(
    st.sampled_from(["max-age=5", "no-store", "private", "no-cache", "stale-while-revalidate=9", "stale-if-error=9",
                     'private="set-cookie"', "must-understand"]),
    max_size=4,
).map(", ".join)  # fmt: skip
_VARY = st.sampled_from([b"", b"authorization", b"accept", b"accept, authorization"])


@settings(max_examples=150)
@given(
    st.lists(
        st.tuples(_CALLERS, _SAID, _VARY, st.booleans(), st.booleans(), st.floats(0, 12)),
        min_size=2,
        max_size=8,
    )
)
def test_what_was_made_for_one_credential_is_never_given_to_another(
    steps: list[tuple[bytes, str, bytes, bool, bool, float]],
) -> None:
    """Whatever an origin says short of public, s-maxage and must-revalidate, which RFC 9111 §3.5 reads as leave.
    Bodies name whom they were made for.
    """
    said, vary, cookie = "", b"", False

    def origin(asked: list[Pair]) -> tuple[int, list[Pair], bytes]:
        who = first(asked, b"authorization")
        if first(asked, b"if-none-match") == b'"%b"' % who.replace(b" ", b""):
            return 304, [cc(said), (b"vary", vary)], b""
        fields = [cc(said), (b"etag", b'"%b"' % who.replace(b" ", b"")), (b"vary", vary)]
        return 200, [*fields, (b"set-cookie", b"s=1")] if cookie else fields, who

    play = Play(origin, Policy(ttl=3.0, stale_while_revalidate=3.0, stale_if_error=3.0))
    for who, said, vary, cookie, fails, wait in steps:  # noqa: B007 (the origin reads them)
        play.fails = fails
        fields = ((b"authorization", who),) if who else ()
        got = play.get(*fields, authorized=bool(who))
        if got.status == 200:
            assert got.body in (who, b"")
        play.wait(wait)
