"""RFC 9111's rules, each by its section: what may be kept, how long it is fresh, what it is good for."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bff.services import freshness, httpdate
from bff.services.directives import NOTHING_SAID, Directives, parse
from bff.services.fields import MOST_SECONDS, Pair
from bff.services.freshness import OBEDIENT, Policy, Received, Use

WALL = 1_900_000_000.0
Fields = tuple[Pair, ...]


def answer(*fields: Pair, status: int = 200, asked: float = 100.0, now: float = 100.0) -> Received:
    return Received(status=status, fields=fields, asked=asked, now=now, wall=WALL)


def cc(text: str) -> Pair:
    return b"cache-control", text.encode()


def date(offset: float = 0.0, name: bytes = b"date") -> Pair:
    return name, httpdate.written(WALL + offset)


def fresh_for(*fields: Pair, policy: Policy = OBEDIENT, status: int = 200) -> float:
    return freshness.lifetime_of(answer(*fields, status=status), policy).fresh_for


def kept(
    *fields: Pair, policy: Policy = OBEDIENT, status: int = 200, asked: str = "", authorized: bool = False
) -> bool:
    return freshness.may_keep(
        "GET", parse(asked.encode()), answer(*fields, status=status), policy, is_authorized=authorized
    )


# §4.2.1: the lifetime


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ((), 0),
        ((cc("max-age=60"),), 60),
        ((cc("s-maxage=10, max-age=60"),), 10),
        ((cc("max-age=60"), date(-1000, b"expires")), 60),
        ((cc("max-age=0"), date(1000, b"expires")), 0),
        ((date(), date(50, b"expires")), 50),
        ((date(50, b"expires"),), 50),
        ((date(-20), date(50, b"expires")), 70),
        ((date(), date(-50, b"expires")), 0),
        (((b"expires", b"0"),), 0),
        (((b"expires", b"soon"), date()), 0),
        ((date(50, b"expires"), date(50, b"expires"), date()), 50),
        ((date(50, b"expires"), date(60, b"expires"), date()), 0),
        (((b"date", b"yesterday"), date(50, b"expires")), 50),
        ((cc("max-age=60.0"),), 0),
        ((cc("max-age=60, max-age=1"),), 0),
        ((cc("max-age=99999999999"),), MOST_SECONDS),
        ((cc("max-age=1"), (b"cdn-cache-control", b"max-age=60")), 60),
        ((cc("max-age=60"), (b"cdn-cache-control", b"max-age=1")), 1),
        ((cc("max-age=60"), (b"cdn-cache-control", b"none")), 0),
        ((date(50, b"expires"), (b"cdn-cache-control", b"none")), 0),
        ((date(50, b"expires"), (b"cdn-cache-control", b"")), 50),
        (((b"last-modified", b"Sun, 06 Nov 1994 08:49:37 GMT"),), 0),
    ],
)  # fmt: skip
def test_the_lifetime_is_what_the_answer_says_and_nothing_is_guessed(fields: Fields, seconds: float) -> None:
    assert fresh_for(*fields) == seconds


def test_a_stated_lifetime_counts_where_the_answer_says_nothing() -> None:
    stated = Policy(ttl=10.0)
    assert fresh_for(policy=stated) == 10
    assert fresh_for((b"etag", b'"a"'), policy=stated) == 10
    assert fresh_for(cc("max-age=60"), policy=stated) == 60
    assert fresh_for(cc("max-age=0"), policy=stated) == 0
    assert fresh_for((b"expires", b"0"), policy=stated) == 0
    assert fresh_for(policy=stated, status=404) == 0
    assert fresh_for(policy=stated, status=301) == 10


def test_a_lifetime_is_guessed_where_routes_yaml_wants_it() -> None:
    """§4.2.2: a tenth of the time since the last change, a day at most, and only where nothing is said."""
    guessing = Policy(guesses=True)
    changed = date(-1000, b"last-modified")
    assert fresh_for(changed, date(), policy=guessing) == 100
    assert fresh_for(date(-(10**8), b"last-modified"), date(), policy=guessing) == 86_400
    assert fresh_for(changed, date(), policy=guessing, status=404) == 100
    assert fresh_for(changed, date(), cc("public"), policy=guessing, status=599) == 100
    assert fresh_for(changed, date(), policy=replace(guessing, ttl=7.0)) == 7
    nothing = (
        ((), 200),
        ((date(),), 200),
        ((date(50, b"last-modified"), date()), 200),
        ((changed, date()), 599),
        ((changed, date()), 302),
        ((changed, date(), cc("max-age=0")), 200),
        ((changed, date(), (b"expires", b"0")), 200),
    )
    for fields, status in nothing:
        assert fresh_for(*fields, policy=guessing, status=status) == 0


# §4.2.3: the age


@pytest.mark.parametrize(
    ("fields", "age"),
    [
        ((), 0),
        (((b"age", b"7"),), 7),
        (((b"age", b"7, 900"),), 7),
        (((b"age", b"7"), (b"age", b"900")), 7),
        (((b"age", b"-7"),), 0),
        (((b"age", b"7.5"),), 0),
        (((b"age", b"old"), date(-5)), 5),
        ((date(-20),), 20),
        ((date(20),), 0),
        ((date(-20), (b"age", b"7")), 20),
        ((date(-20), (b"age", b"70")), 70),
        (((b"age", b"9" * 25),), MOST_SECONDS),
    ],
)
def test_an_answer_is_as_old_as_date_or_age_tells(fields: Fields, age: float) -> None:
    assert freshness.initial_age(answer(*fields)) == age


def test_the_time_an_answer_took_counts_into_its_age() -> None:
    assert freshness.initial_age(answer((b"age", b"7"), asked=90.0, now=100.0)) == 17


def test_it_grows_older_on_the_shelf() -> None:
    lifetime = freshness.lifetime_of(answer(cc("max-age=60"), (b"age", b"7")), OBEDIENT)
    assert (lifetime.age_at(100.0), lifetime.age_at(130.0)) == (7, 37)
    assert (lifetime.remaining(130.0), lifetime.remaining(160.0)) == (23, -7)


# §3: what may be kept


@pytest.mark.parametrize(
    "status", [200, 203, 204, 299, 301, 302, 307, 308, 400, 404, 410, 499, 500, 503, 599]
)
def test_any_final_answer_that_says_how_long_may_be_kept(status: int) -> None:
    assert kept(cc("max-age=60"), status=status)


@pytest.mark.parametrize("status", [100, 103, 206, 304])
def test_parts_and_what_is_not_final_is_not(status: int) -> None:
    assert not kept(cc("max-age=60"), (b"etag", b'"a"'), status=status)


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "DELETE", "OPTIONS", "M-SEARCH"])
def test_only_answers_to_get_are_kept(method: str) -> None:
    assert not freshness.may_keep(method, NOTHING_SAID, answer(cc("max-age=60")), OBEDIENT)


@pytest.mark.parametrize(
    "fields",
    [
        (cc("no-store"),),
        (cc("max-age=60, no-store"),),
        (cc("private, max-age=60"),),
        (cc("max-age=60"), (b"cdn-cache-control", b"no-store")),
        (cc("max-age=60"), (b"cdn-cache-control", b"private")),
        (cc("max-age=60"), (b"vary", b"*")),
        (cc("max-age=60"), (b"vary", b"Accept, *")),
        (cc("max-age=60"), (b"vary", b""), (b"vary", b"*")),
        (cc("max-age=60"), (b"set-cookie", b"a=b")),
        (cc("max-age=0"),),
        ((b"expires", b"0"),),
        (),
    ],
)
def test_what_must_not_be_kept_or_is_of_no_use_is_not(fields: Fields) -> None:
    assert not kept(*fields)


@pytest.mark.parametrize(
    "fields",
    [
        (cc("no-store"), (b"cdn-cache-control", b"max-age=60")),
        (cc('private="x", max-age=60'),),
        (cc("public, max-age=60"), (b"set-cookie", b"a=b")),
        (cc("s-maxage=60"), (b"set-cookie", b"a=b")),
        (cc("no-cache"), (b"etag", b'"a"')),
        (cc("max-age=0"), (b"etag", b'"a"')),
        (cc("max-age=0, stale-while-revalidate=60"),),
        (cc("max-age=0, stale-if-error=60"),),
        ((b"etag", b'"a"'),),
        ((b"last-modified", b"x"),),
        (date(50, b"expires"),),
        (cc("max-age=60"), (b"vary", b"accept-language")),
    ],
)
def test_what_can_be_used_again_is_kept(fields: Fields) -> None:
    assert kept(*fields)


def test_must_understand_counts_for_statuses_that_are_understood() -> None:
    assert kept(cc("max-age=60, no-store, must-understand"))
    assert not kept(cc("max-age=60, no-store, must-understand"), status=599)
    assert not kept(cc("max-age=60, must-understand"), status=299)


def test_statuses_that_are_not_cacheable_by_themselves_need_a_lifetime() -> None:
    validated = (b"etag", b'"a"')
    assert kept(validated, status=404)
    assert not kept(validated, status=302)
    assert not kept(validated, status=500)
    assert kept(cc("public"), validated, status=302)


def test_a_stated_lifetime_keeps_good_answers_that_say_nothing_and_no_others() -> None:
    stated = Policy(ttl=10.0)
    assert kept(policy=stated)
    assert kept(policy=stated, status=308)
    for forbidden in (cc("no-store"), cc("private"), (b"vary", b"*"), (b"set-cookie", b"a=b")):
        assert not kept(forbidden, policy=stated)
    for status in (302, 404, 500, 503, 206):
        assert not kept(policy=stated, status=status)


def test_a_request_that_forbids_keeping_is_obeyed() -> None:
    assert not kept(cc("max-age=60"), asked="no-store")
    assert kept(cc("max-age=60"), asked="no-cache")


@pytest.mark.parametrize(
    ("said", "may"),
    [
        ("max-age=60", False),
        ("max-age=60, proxy-revalidate", False),
        ("max-age=60, public", True),
        ("max-age=60, must-revalidate", True),
        ("s-maxage=60", True),
        ("s-maxage=60, private", False),
    ],
)
def test_an_answer_to_a_credential_needs_leave_to_be_kept(said: str, may: bool) -> None:
    """§3.5."""
    assert kept(cc(said), authorized=True) is may
    assert not kept(policy=Policy(ttl=10.0), authorized=True)


def test_fields_of_the_connection_and_withheld_ones_are_not_kept() -> None:
    """§3.1, §5.2.2.4, §5.2.2.7."""
    fields = [
        (b"connection", b"hop"),
        (b"hop", b"1"),
        (b"upgrade", b"x"),
        cc('max-age=60, no-cache="a, B", private="c"'),
        (b"a", b"1"),
        (b"b", b"2"),
        (b"c", b"3"),
        (b"d", b"4"),
    ]
    assert freshness.kept_fields(fields) == (fields[3], (b"d", b"4"))


# §4, §4.2.4, §5.2.1: what is good for what


def use(said: str, *, asked: str = "", age: float = 0.0, policy: Policy = OBEDIENT) -> Use:
    lifetime = freshness.lifetime_of(answer(cc(said)), policy)
    return freshness.use_of(lifetime, parse(asked.encode()), 100.0 + age)


@pytest.mark.parametrize(
    ("said", "asked", "age", "means"),
    [
        ("max-age=60", "", 0, Use.FRESH),
        ("max-age=60", "", 59.9, Use.FRESH),
        ("max-age=60", "", 60, Use.AFTER_VALIDATION),
        ("max-age=60, must-revalidate", "", 30, Use.FRESH),
        ("max-age=60, no-cache", "", 0, Use.AFTER_VALIDATION),
        ('max-age=60, no-cache="a"', "", 0, Use.FRESH),
        ("max-age=60", "no-cache", 0, Use.AFTER_VALIDATION),
        ("max-age=60", "no-store", 0, Use.AFTER_VALIDATION),
        ("max-age=60", "max-age=0", 0.1, Use.AFTER_VALIDATION),
        ("max-age=60", "max-age=30", 30, Use.FRESH),
        ("max-age=60", "max-age=30", 31, Use.AFTER_VALIDATION),
        ("max-age=60", "min-fresh=30", 30, Use.FRESH),
        ("max-age=60", "min-fresh=30", 31, Use.AFTER_VALIDATION),
        ("max-age=60", "max-stale", 6000, Use.ASKED_FOR_STALE),
        ("max-age=60", "max-stale=10", 70, Use.ASKED_FOR_STALE),
        ("max-age=60", "max-stale=10", 71, Use.AFTER_VALIDATION),
        ("max-age=60, must-revalidate", "max-stale", 70, Use.AFTER_VALIDATION),
        ("max-age=60, proxy-revalidate", "max-stale", 70, Use.AFTER_VALIDATION),
        ("s-maxage=60", "max-stale", 70, Use.AFTER_VALIDATION),
        ("max-age=60, no-cache", "max-stale", 70, Use.AFTER_VALIDATION),
        ("max-age=60, stale-while-revalidate=10", "", 60, Use.STALE_WHILE_REVALIDATE),
        ("max-age=60, stale-while-revalidate=10", "", 69.9, Use.STALE_WHILE_REVALIDATE),
        ("max-age=60, stale-while-revalidate=10", "", 70, Use.AFTER_VALIDATION),
        ("max-age=60, stale-while-revalidate=10, must-revalidate", "", 65, Use.AFTER_VALIDATION),
        ("max-age=60, stale-while-revalidate=10, proxy-revalidate", "", 65, Use.AFTER_VALIDATION),
        ("max-age=60, stale-while-revalidate=10, no-cache", "", 65, Use.AFTER_VALIDATION),
        ("s-maxage=60, stale-while-revalidate=10", "", 65, Use.STALE_WHILE_REVALIDATE),
        ("max-age=60, stale-while-revalidate=10", "max-age=60", 65, Use.AFTER_VALIDATION),
        ("max-age=60, stale-while-revalidate=10", "no-cache", 65, Use.AFTER_VALIDATION),
    ],
)
def test_what_is_kept_is_good_for(said: str, asked: str, age: float, means: Use) -> None:
    assert use(said, asked=asked, age=age) is means


def test_stated_staleness_is_for_answers_that_do_not_forbid_it() -> None:
    policy = Policy(stale_while_revalidate=10.0)
    assert use("max-age=60", age=65, policy=policy) is Use.STALE_WHILE_REVALIDATE
    assert use("max-age=60, stale-while-revalidate=2", age=65, policy=policy) is Use.AFTER_VALIDATION
    for forbids in ("must-revalidate", "proxy-revalidate", "s-maxage=60", "no-cache"):
        assert use(f"max-age=60, {forbids}", age=65, policy=policy) is Use.AFTER_VALIDATION


@pytest.mark.parametrize(
    ("said", "asked", "status", "age", "may"),
    [
        ("max-age=60", "", 503, 61, False),
        ("max-age=60", "", None, 61, False),
        ("max-age=60, stale-if-error=10", "", 503, 61, True),
        ("max-age=60, stale-if-error=10", "", 500, 61, True),
        ("max-age=60, stale-if-error=10", "", None, 61, True),
        ("max-age=60, stale-if-error=10", "", 503, 70, False),
        ("max-age=60, stale-if-error=10", "", 404, 61, False),
        ("max-age=60, stale-if-error=10", "", 501, 61, False),
        ("max-age=60, stale-if-error=10, must-revalidate", "", 503, 61, False),
        ("max-age=60, stale-if-error=10", "no-cache", 503, 61, False),
        ("max-age=60", "stale-if-error=10", 503, 61, True),
        ("max-age=60, must-revalidate", "stale-if-error=10", 503, 61, False),
        ("s-maxage=60", "stale-if-error=10", 503, 61, False),
    ],
)
def test_a_failure_is_replaced_where_somebody_allows_it(
    said: str, asked: str, status: int | None, age: float, may: bool
) -> None:
    lifetime = freshness.lifetime_of(answer(cc(said)), OBEDIENT)
    assert freshness.may_replace_failure(lifetime, parse(asked.encode()), status, 100.0 + age) is may


@pytest.mark.parametrize(
    ("method", "status", "does"),
    [
        ("POST", 200, True),
        ("PUT", 204, True),
        ("DELETE", 303, True),
        ("M-SEARCH", 200, True),
        ("PATCH", 400, False),
        ("POST", 500, False),
        ("GET", 200, False),
        ("HEAD", 200, False),
        ("OPTIONS", 200, False),
    ],
)
def test_what_succeeds_in_changing_something_invalidates(method: str, status: int, does: bool) -> None:
    assert freshness.invalidates(method, status) is does


_WORDS = st.sampled_from(
    ["no-store", "no-cache", "private", "public", "must-revalidate", "proxy-revalidate", "max-age=5", "max-age=x",
     "s-maxage=5", "stale-while-revalidate=5", "stale-if-error=5", "must-understand", 'no-cache="a"']
)  # fmt: skip
_SAYINGS = st.lists(_WORDS, max_size=5).map(", ".join)
_AGES = st.floats(0, 20)


@given(_SAYINGS, _SAYINGS, _AGES, st.sampled_from([None, 3.0]), st.sampled_from([200, 302, 404, 599]))
def test_nothing_is_used_without_validation_that_forbids_it(
    said: str, asked: str, age: float, ttl: float | None, status: int
) -> None:
    """Whatever else is said: no-cache is validated, and what forbids staleness is never stale."""
    policy = Policy(ttl=ttl, stale_while_revalidate=ttl, stale_if_error=ttl)
    got = answer(cc(said), status=status)
    wish = parse(asked.encode())
    if not freshness.may_keep("GET", wish, got, policy):
        return
    lifetime = freshness.lifetime_of(got, policy)
    means = freshness.use_of(lifetime, wish, 100.0 + age)
    saying: Directives = lifetime.directives
    assert not saying.private
    assert not saying.no_store or saying.must_understand
    if saying.no_cache or wish.no_cache:
        assert means is Use.AFTER_VALIDATION
    if lifetime.remaining(100.0 + age) <= 0 and (saying.must_revalidate or saying.proxy_revalidate):
        assert means is Use.AFTER_VALIDATION
        assert not freshness.may_replace_failure(lifetime, wish, None, 100.0 + age)


@given(_SAYINGS, _AGES, _AGES)
def test_an_answer_never_gets_fresher_by_waiting(said: str, age: float, more: float) -> None:
    lifetime = freshness.lifetime_of(answer(cc(said)), Policy(ttl=4.0))
    if freshness.use_of(lifetime, NOTHING_SAID, 100.0 + age + more) is Use.FRESH:
        assert freshness.use_of(lifetime, NOTHING_SAID, 100.0 + age) is Use.FRESH
    assert replace(lifetime, age=lifetime.age + more).remaining(100.0) <= lifetime.remaining(100.0)
