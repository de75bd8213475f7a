"""RFC 9111 §4.2.4, §4.4 and §5.2, RFC 5861, RFC 9211: directives, staleness, invalidation, and what is said of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.services.conformance.case import (
    ASKING,
    DOOR,
    By,
    Case,
    Step,
    Way,
    anew,
    asked,
    asks,
    first,
    kept,
    may,
    must,
    reused,
    should,
    validated,
)

HOUR = "200 | cache-control: max-age=3600"
OLD = "200 | cache-control: max-age=60 | age: 600"
TAGGED = f'{HOUR} | etag: "a"'
GRACE = "200 | cache-control: max-age=60, stale-if-error=9999 | age: 600"
FAILS: dict[str, Any] = {"by": By.STAND_IN, "status": 200}


def _never_stale(said: str) -> Case:
    """What forbids staleness forbids it also where routes.yaml or the caller would allow it."""
    answer = f"200 | cache-control: max-age=60, {said} | age: 61"
    return must(
        "4.2.4",
        f"nothing stale is served beside {said}",
        first(answer),
        asks("cache-control: max-stale=9999", by=By.ORIGIN, gives="503", status=503),
        stated=True,
    )


def _wants(section: str, rule: str, stored: str, said: str, then: Callable[..., Step]) -> Case:
    """What the second request says of the cache, and who answers it then: :func:`asked` or :func:`kept`."""
    return should(section, rule, first(stored), then(f"cache-control: {said}"))


def _unsafe(method: str) -> tuple[Case, ...]:
    return (
        must(
            "4.4",
            f"a {method} that went well drops what is kept",
            first(HOUR),
            asked(method=method, status=200),
            asked(),
        ),
        must(
            "4.4",
            f"so does one that leads elsewhere: {method}",
            first(HOUR),
            asked(method=method, gives="303 | location: /other"),
            asked(),
        ),
        may(
            "4.4",
            f"a {method} that failed drops nothing",
            first(HOUR),
            asked(method=method, gives="400", status=400),
            kept(body=1),
        ),
    )


CASES: tuple[Case, ...] = (
    # §4.2.4, RFC 5861 §4
    *map(_never_stale, ("must-revalidate", "proxy-revalidate", "s-maxage=60", "no-cache")),
    may("5861 4", "a stale answer stands in for a failure", first(GRACE), asks(gives="503", **FAILS)),
    may("5861 4", "for a connection that breaks", first(GRACE), asks(gives=None, **FAILS)),
    *(
        may("5861 4", f"for a {status}", first(GRACE), asks(gives=str(status), **FAILS))
        for status in (500, 502, 504)
    ),
    must("5861 4", "not for a 404", first(GRACE), asked(gives="404", status=404)),
    must(
        "5861 4",
        "not for longer than it says",
        first("200 | cache-control: max-age=60, stale-if-error=60 | age: 600"),
        asked(gives="503", status=503),
    ),
    must("4.2.4", "nothing stale without leave", first(OLD), asked(gives="503", status=503)),
    may("5861 4", "routes.yaml may give leave", first(OLD), asks(gives="503", **FAILS), stated=True),
    may(
        "5861 4",
        "the request may give leave",
        first(OLD),
        asks("cache-control: stale-if-error=9999", gives="503", **FAILS),
        ways=ASKING,
    ),
    # RFC 5861 §3
    may(
        "5861 3",
        "a stale answer is served while a new one is fetched",
        first("200 | cache-control: max-age=60, stale-while-revalidate=9999 | age: 600"),
        asked(gives=HOUR, refreshes=True),
        kept(body=2),
    ),
    anew(
        "5861 3",
        "not for longer than it says",
        "200 | cache-control: max-age=60, stale-while-revalidate=60 | age: 600",
    ),
    anew(
        "5861 3",
        "not where the answer must be validated",
        "200 | cache-control: max-age=60, must-revalidate, stale-while-revalidate=9999 | age: 600",
    ),
    # §4.4
    *(case for method in ("POST", "PUT", "DELETE", "PATCH") for case in _unsafe(method)),
    must(
        "4.4",
        "a method that nobody knows drops it too",
        first(HOUR),
        asked(method="M-SEARCH"),
        asked(),
        ways=Way.PASSING,
    ),
    *(
        must(
            "4.4",
            f"what its {field} points to is dropped as well",
            first(HOUR, query="a=1"),
            asked(method="POST", gives=f"201 | {field}: ?a=1#part", status=201),
            asked(query="a=1"),
        )
        for field in ("location", "content-location")
    ),
    may(
        "4.4",
        "not where it failed",
        first(HOUR, query="a=1"),
        asked(method="POST", gives="409 | location: ?a=1", status=409),
        kept(query="a=1", body=1),
    ),
    must("4.4", "a safe one drops nothing", first(HOUR), asked(method="OPTIONS"), kept(body=1), ways=ASKING),
    # §5.2.1: what requests say
    must(
        "5.2.1.4",
        "no-cache wants it validated",
        first(TAGGED),
        validated("cache-control: no-cache"),
        ways=ASKING,
    ),
    must("5.2.1.4", "or anew", first(HOUR), asked("cache-control: no-cache")),
    _wants("5.2.1.1", "max-age wants nothing older", f"{HOUR} | age: 100", "max-age=50", asked),
    _wants("5.2.1.1", "what is younger will do", f"{HOUR} | age: 100", "max-age=1000", kept),
    _wants("5.2.1.1", "max-age wants it new although it is fresh", f"{HOUR} | age: 1", "max-age=0", asked),
    may("5.2.1.2", "max-stale takes what is stale", first(OLD), kept("cache-control: max-stale")),
    may(
        "5.2.1.2",
        "but no staler",
        first(OLD),
        kept("cache-control: max-stale=9999"),
        asked("cache-control: max-stale=60"),
    ),
    _wants(
        "5.2.1.3",
        "min-fresh wants it fresh for a while",
        "200 | cache-control: max-age=60",
        "min-fresh=600",
        asked,
    ),
    _wants("5.2.1.3", "which it may be", HOUR, "min-fresh=600", kept),
    should(
        "5.2.1.7",
        "or is told 504 where it is stale",
        first(OLD),
        asks("cache-control: only-if-cached", by=By.NOBODY, status=504),
    ),
    may(
        "5.2.1.7",
        "which may be what it takes",
        first(OLD),
        kept("cache-control: only-if-cached, max-stale"),
    ),
    anew("5.2.1.5", "no-store stores nothing", HOUR, "cache-control: no-store"),
    _wants("5.2.1.7", "only-if-cached takes what is kept", HOUR, "only-if-cached", kept),
    should("5.2.1.7", "or is told 504", asks("cache-control: only-if-cached", by=By.NOBODY, status=504)),
    # §5.2.2: what answers say
    must(
        "5.2.2.4",
        "no-cache wants validation each time",
        first(TAGGED.replace("3600", "3600, no-cache")),
        validated(),
        validated(),
        ways=ASKING,
    ),
    anew("5.2.2.4", "no-cache is read without case", "200 | cache-control: max-age=60, No-CaChE"),
    anew(
        "5.2.2.4",
        "no-cache wins over a lifetime",
        "200 | cache-control: no-cache, max-age=60 | expires: {now+600}",
    ),
    reused("5.2.2.2", "must-revalidate may be used fresh", f"{HOUR}, must-revalidate"),
    must(
        "5.2.2.2",
        "must-revalidate is a failure's answer once it is stale",
        first("200 | cache-control: max-age=60, must-revalidate | age: 600"),
        asks(by=By.ORIGIN, gives=None, status=502),
        stated=True,
    ),
    may(
        "5.2.2.9",
        "public allows what has no lifetime, if it can be validated",
        first('299 | cache-control: public | etag: "a"'),
        validated(status=299),
        ways=ASKING,
    ),
    must(
        "5.2.2.7",
        "private with a name is for all but that field",
        first('200 | cache-control: max-age=60, private="x-a"'),
        kept(),
    ),
    anew("5.2.2.7", "private with an empty name is private", '200 | cache-control: max-age=60, private=""'),
    anew(
        "5.2", "a quoted string that never ends may hide anything", '200 | cache-control: max-age=60, x="no'
    ),
    anew(
        "5.2",
        "directives in several lines are one",
        "200 | cache-control: max-age=60 | cache-control: no-store",
    ),
    anew(
        "5.2.3",
        "immutable changes nothing once it is stale",
        "200 | cache-control: max-age=60, immutable | age: 600",
    ),
    should(
        "8246 2",
        "immutable is not asked about while it is fresh",
        first(f"{HOUR}, immutable | age: 10"),
        kept("cache-control: max-age=0"),
        asked("cache-control: no-cache"),
    ),
    may("5.4", "Pragma of a request is nothing any more", first(HOUR), kept("pragma: no-cache")),
    must("5.4", "Pragma of an answer is nothing", first(f"{HOUR} | pragma: no-cache"), kept()),
    # RFC 9211
    must(
        "9211 2.1",
        "a hit says so",
        first(HOUR),
        kept(has={"cache-status": r"bff; hit; ttl=3[56][0-9]{2}"}),
        ways=DOOR,
    ),
    must(
        "9211 2.2",
        "a miss says why",
        first(HOUR, has={"cache-status": r"bff; fwd=uri-miss(; ttl=3[56][0-9]{2}; stored)?"}),
        ways=DOOR,
    ),
    must(
        "9211 2.2",
        "so does another variant",
        first(f"{HOUR} | vary: foo", "foo: 1"),
        asked("foo: 2", has={"cache-status": r"bff; fwd=vary-miss.*"}),
        ways=DOOR,
    ),
    must(
        "9211 2.2",
        "and what the request wanted",
        first(HOUR),
        asked("cache-control: no-cache", has={"cache-status": r"bff; fwd=request.*"}),
        ways=DOOR,
    ),
    must(
        "9211 2.2", "and a method", asked(method="POST", has={"cache-status": r"bff; fwd=method"}), ways=DOOR
    ),
    must(
        "9211 2.3",
        "what was validated tells the origin's status",
        first(f'{OLD} | etag: "a"'),
        validated(
            gives="304 | cache-control: max-age=60",
            has={"cache-status": r"bff; fwd=stale; fwd-status=304; ttl=(60|[1-5][0-9])"},
        ),
        ways=Way.PASSING,
    ),
    must(
        "9211 2.3",
        "so does what stood in",
        first(GRACE),
        asks(gives="503", has={"cache-status": r"bff; fwd=stale; fwd-status=503; ttl=-5[4-9][0-9]"}, **FAILS),
        ways=Way.PASSING,
    ),
    must(
        "9211 2",
        "caches farther away come first",
        first(f"{HOUR} | cache-status: far; hit", has={"cache-status": r"far; hit, bff; fwd=.*"}),
        kept(has={"cache-status": r"far; hit, bff; hit.*"}),
        ways=Way.PASSING,
    ),
    must(
        "9211 2",
        "what is not kept is not said to be",
        first("200 | cache-control: no-store", has={"cache-status": "bff; fwd=uri-miss"}),
        ways=DOOR,
    ),
)
