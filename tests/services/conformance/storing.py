"""RFC 9111 §2 and §3: what may be stored, and what of it."""

from __future__ import annotations

from tests.services.conformance.case import (
    ASKING,
    DOOR,
    Case,
    Way,
    anew,
    asked,
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
TAGGED = f'{OLD} | etag: "a"'


def _reused(status: int, ways: Way = Way.SERVICE | DOOR) -> Case:
    answer = f"{status} | cache-control: max-age=3600" + (
        " | location: /elsewhere" if 300 < status < 400 else ""
    )
    return may("3", f"a fresh {status} is stored", first(answer), kept(status=status), ways=ways)


CASES: tuple[Case, ...] = (
    # §2: the key
    must(
        "2",
        "another query is another key",
        first(HOUR, query="a=1"),
        asked(query="a=2"),
        kept(query="a=1", body=1),
    ),
    must("2", "a query that is only longer is another key", first(HOUR, query="a"), asked(query="a=")),
    may("2", "a query does no harm", first(HOUR, query="a=1&b=%20"), kept(query="a=1&b=%20")),
    # §3: the conditions of storing
    reused("3", "a GET with an explicit lifetime is stored", HOUR),
    must("3", "a POST's answer is not stored", first(HOUR, method="POST"), asked()),
    must("3", "a PUT's answer is not stored", first(HOUR, method="PUT"), asked()),
    must("3", "an OPTIONS' answer is not stored", first(HOUR, method="OPTIONS"), asked(), ways=ASKING),
    must("3", "a HEAD's answer is not stored for GET", first(HOUR, method="HEAD"), asked()),
    anew("3", "no-store is not stored", "200 | cache-control: no-store"),
    anew("3", "no-store wins over a lifetime", f"{HOUR}, no-store"),
    anew("3", "no-store is read without case", "200 | cache-control: max-age=60, nO-StOrE"),
    anew("3", "no-store wins over Expires", "200 | expires: {now+3600} | cache-control: no-store"),
    anew("3", "private is not stored", f"{HOUR}, private"),
    anew("3", "private is read without case", f"{HOUR}, PrIvAtE"),
    anew("3", "nothing is invented for what says nothing", "200 | last-modified: {now-864000}"),
    anew("3", "an unknown status without a lifetime is not stored", "299"),
    anew("3", "a status that is not cacheable by itself needs a lifetime", "302 | location: /"),
    *(_reused(status) for status in (200, 203, 299, 301, 302, 307, 308, 400, 404, 410, 451, 499)),
    *(_reused(status) for status in (500, 502, 503, 504, 599)),
    _reused(204),
    must(
        "3",
        "what a range cannot be met with is no answer to who wants the whole",
        first("416 | content-range: bytes */1 | cache-control: max-age=60", "range: bytes=9-", status=416),
        asked(status=200),
        ways=ASKING,
    ),
    must(
        "3",
        "nor is what one condition failed with",
        first("412 | cache-control: max-age=60", 'if-match: "b"', status=412),
        asked(status=200),
        ways=ASKING,
    ),
    anew(
        "3",
        "a 206 is not stored as the whole",
        "206 | content-range: bytes 0-0/9 | cache-control: max-age=60",
    ),
    anew(
        "3",
        "an unknown status is not stored under must-understand",
        "299 | cache-control: max-age=60, must-understand",
    ),
    reused(
        "3",
        "must-understand makes no-store void for a status that is understood",
        "200 | cache-control: max-age=60, no-store, must-understand",
    ),
    must(
        "3",
        "what is newer and may not be kept drops what is older",
        first(TAGGED),
        asked(gives="200 | cache-control: no-store"),
        asked(),
        ways=ASKING,
    ),
    may(
        "3",
        "a request that wants nothing stored drops nothing of others",
        first(f"{HOUR}, public"),
        asked("cache-control: no-store", gives=HOUR),
        kept(body=1),
    ),
    may(
        "3.5",
        "nor does one with a credential",
        first(HOUR),
        asked("authorization: Basic YTpi", "cache-control: no-cache", gives=HOUR),
        kept(body=1),
        ways=DOOR,
    ),
    may(
        "3",
        "nor what they are asked about in",
        first(f'{HOUR} | etag: "a"'),
        validated("cache-control: no-store"),
        kept(body=1),
        ways=ASKING,
    ),
    # §3.1: fields
    must(
        "3.1",
        "an interim answer is no part of it",
        first(f"103+{HOUR}"),
        kept(lacks=("link", "x-early")),
        ways=ASKING,
    ),
    must(
        "3.1",
        "trailers are not stored as fields",
        first(f"{HOUR} | transfer-encoding: chunked | trailer: x-trailer"),
        kept(lacks=("x-trailer", "trailer", "transfer-encoding"), has={"content-length": "1"}),
        ways=ASKING,
    ),
    must(
        "5.5",
        "no Warning is added, and one that came stays",
        first(f'{HOUR} | warning: 299 a "b"'),
        kept(has={"warning": '299 a "b"'}),
    ),
    must(
        "5.5", "not even to what is stale", first(OLD), kept("cache-control: max-stale", lacks=("warning",))
    ),
    must(
        "3.1",
        "fields that Connection names are not stored",
        first(f"{HOUR} | connection: x-mine | x-mine: 1"),
        kept(lacks=("x-mine",)),
        ways=ASKING,
    ),
    must(
        "3.1",
        "a connection's own fields are not stored",
        first(f"{HOUR} | keep-alive: timeout=5 | proxy-authenticate: Basic | upgrade: h2c"),
        kept(lacks=("keep-alive", "proxy-authenticate", "upgrade", "proxy-connection")),
        ways=ASKING,
    ),
    must(
        "3.1",
        "unknown fields are stored",
        first(f"{HOUR} | x-unknown: one | x-unknown: two"),
        kept(has={"x-unknown": "one, two"}),
    ),
    must(
        "3.1",
        "fields are stored",
        first(f"{HOUR} | content-language: de | link: </a>; rel=b | x-frame-options: DENY"),
        kept(has={"content-language": "de", "link": "</a>; rel=b", "x-frame-options": "DENY"}),
    ),
    must(
        "3.1",
        "fields that private names are not stored",
        first('200 | cache-control: max-age=60, private="x-mine" | x-mine: 1 | x-all: 2'),
        kept(lacks=("x-mine",), has={"x-all": "2"}),
    ),
    must(
        "3.1",
        "fields that no-cache names are not stored",
        first('200 | cache-control: max-age=60, no-cache="x-a, x-b" | x-a: 1 | x-b: 2'),
        kept(lacks=("x-a", "x-b")),
    ),
    # §3.2: updating stored fields
    must(
        "3.2",
        "a 304 replaces the fields that it brings",
        first(f"{TAGGED} | x-a: old | x-b: old"),
        validated(
            gives='304 | etag: "a" | cache-control: max-age=60 | x-a: new', has={"x-a": "new", "x-b": "old"}
        ),
        kept(has={"x-a": "new", "x-b": "old"}),
        ways=ASKING,
    ),
    must(
        "3.2",
        "a field in several lines is replaced as one",
        first(f"{TAGGED} | x-a: 1 | x-a: 2"),
        validated(gives='304 | etag: "a" | cache-control: max-age=60 | x-a: 3', has={"x-a": "3"}),
        ways=ASKING,
    ),
    must(
        "3.2",
        "what a 304 says of its connection is not of the answer",
        first(f"{TAGGED} | x-a: old"),
        validated(gives="304 | connection: x-a | x-a: new | keep-alive: timeout=5", has={"x-a": "old"}),
        ways=ASKING,
    ),
    must(
        "3.2",
        "a 304 may name another field in Vary",
        first(f"{TAGGED} | vary: foo", "foo: 1", "bar: 1"),
        validated("foo: 1", "bar: 1", gives='304 | etag: "a" | cache-control: max-age=60 | vary: bar'),
        kept("foo: 2", "bar: 1"),
        asked("foo: 1", "bar: 2"),
        ways=Way.PASSING,
    ),
    must(
        "3.2",
        "a 304 may forbid to keep what it confirms",
        first(TAGGED),
        validated(gives='304 | etag: "a" | cache-control: private, max-age=60'),
        asked(),
        ways=ASKING,
    ),
    must(
        "3.2",
        "a 304 does not change what the body is measured and coded by",
        first(f"{TAGGED} | content-language: de"),
        validated(
            gives='304 | etag: "a" | content-encoding: gzip | content-range: bytes 0-0/9',
            lacks=("content-encoding", "content-range"),
            has={"content-language": "de"},
        ),
        ways=ASKING,
    ),
    # §3.3, §3.4: incomplete answers
    must("3.3", "an answer cut short is not stored", first(HOUR, cut=True), asked(), ways=ASKING),
    anew(
        "3.3",
        "a part is not used for the whole",
        "206 | content-range: bytes 0-0/1 | cache-control: max-age=3600",
        "range: bytes=0-0",
        ways=ASKING,
    ),
    # §3.5: authenticated requests
    anew("3.5", "what a credential was shown is not stored", HOUR, "authorization: Basic YTpi"),
    must(
        "3.5",
        "nor is it for the same credential",
        first(HOUR, "authorization: Basic YTpi"),
        asked("authorization: Basic YTpi"),
    ),
    reused("3.5", "public allows it", f"{HOUR}, public", "authorization: Basic YTpi", ways=DOOR),
    reused(
        "3.5",
        "s-maxage allows it",
        "200 | cache-control: s-maxage=3600",
        "authorization: Basic YTpi",
        ways=DOOR,
    ),
    reused(
        "3.5", "must-revalidate allows it", f"{HOUR}, must-revalidate", "authorization: Basic YTpi", ways=DOOR
    ),
    may(
        "3.5",
        "below service calls each credential has its own",
        first(f"{HOUR}, public", "authorization: Basic YTpi"),
        kept("authorization: Basic YTpi"),
        asked("authorization: Basic Yzpk"),
        ways=Way.SERVICE,
    ),
    # Ours: stricter than §7.3, which leaves it to the origin
    should("7.3", "an answer that sets a cookie is not shared", first(f"{HOUR} | set-cookie: a=b"), asked()),
    must(
        "7.3",
        "unless it is told to be kept without the cookie",
        first('200 | cache-control: max-age=60, no-cache="set-cookie" | set-cookie: a=b'),
        kept(lacks=("set-cookie",)),
    ),
    reused("7.3", "unless it says that it is for all", f"{HOUR}, public | set-cookie: a=b"),
)
