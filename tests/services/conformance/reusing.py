"""RFC 9111 §4.1 and §4.3, RFC 9110 §13 and §14: which request an answer is for, and how it is asked about."""

from __future__ import annotations

from tests.services.conformance.case import (
    ALL,
    ASKING,
    DOOR,
    By,
    Case,
    Way,
    anew,
    asked,
    asks,
    first,
    kept,
    may,
    must,
    should,
    validated,
)

HOUR = "200 | cache-control: max-age=3600"
TAGGED = f'{HOUR} | etag: "a"'
OLD = '200 | cache-control: max-age=60 | age: 600 | etag: "a"'
DATED = "200 | cache-control: max-age=60 | age: 600 | last-modified: Mon, 05 Oct 2020 10:00:00 GMT"
THEN = "Mon, 05 Oct 2020 10:00:00 GMT"
CHANGED = f"{HOUR} | last-modified: {THEN}"


def _varies(
    rule: str, said: str, stored: tuple[str, ...], next_: tuple[str, ...], *, same: bool, ways: Way = ALL
) -> Case:
    """An answer that says ``Vary``, and a second request."""
    step = kept(*next_) if same else asked(*next_)
    return (may if same else must)("4.1", rule, first(f"{HOUR} | {said}", *stored), step, ways=ways)


def _asked_about(rule: str, stored: str, told: dict[str, str]) -> Case:
    """What is stale, and what the origin hears of it."""
    return may("4.3.1", rule, first(stored), validated(told=told), ways=ASKING)


def _has(rule: str, stored: str, *conditions: str) -> Case:
    """A caller whose condition tells that it has what is kept."""
    return may("4.3.2", rule, first(stored), *(kept(each, status=304) for each in conditions))


def _has_not(rule: str, stored: str, *conditions: str) -> Case:
    """One whose conditions, taken together, tell that it has not."""
    return must("4.3.2", rule, first(stored), kept(*conditions, status=200))


CASES: tuple[Case, ...] = (
    # §4.1
    _varies("the same field has the same answer", "vary: foo", ("foo: 1",), ("foo: 1",), same=True),
    _varies("another has another", "vary: foo", ("foo: 1",), ("foo: 2",), same=False),
    _varies("its absence is a value", "vary: foo", ("foo: 1",), (), same=False),
    _varies("so is it in what is stored", "vary: foo", (), ("foo: 1",), same=False),
    _varies("absent twice is the same", "vary: foo", (), (), same=True),
    _varies("its name has no case", "vary: FoO", ("foo: 1",), ("FOO: 1",), same=True),
    _varies(
        "space around commas counts for nothing",
        "vary: foo",
        ("foo: 1, 2",),
        ("foo: 1,2",),
        same=True,
        ways=DOOR,
    ),
    _varies(
        "fields it does not name do not matter",
        "vary: foo",
        ("foo: 1", "bar: 1"),
        ("foo: 1", "bar: 2"),
        same=True,
        ways=DOOR,
    ),
    _varies("of two both count", "vary: foo, bar", ("foo: 1", "bar: 1"), ("foo: 1", "bar: 2"), same=False),
    _varies(
        "of two lines both count",
        "vary: foo | vary: bar",
        ("foo: 1", "bar: 1"),
        ("foo: 1", "bar: 2"),
        same=False,
    ),
    _varies(
        "languages have no case",
        "vary: accept-language",
        ("accept-language: en, DE",),
        ("accept-language: EN,de",),
        same=True,
        ways=DOOR,
    ),
    _varies(
        "but their order may mean something",
        "vary: accept-language",
        ("accept-language: en, de",),
        ("accept-language: de, en",),
        same=False,
        ways=DOOR,
    ),
    _varies("other fields have it", "vary: foo", ("foo: a",), ("foo: A",), same=False),
    _varies("lines are one list", "vary: foo", ("foo: 1", "foo: 2"), ("foo: 1, 2",), same=True, ways=DOOR),
    _varies("two that are the same", "vary: foo, bar", ("foo: 1", "bar: 2"), ("bar: 2", "foo: 1"), same=True),
    _varies("a star is never the same", "vary: *", (), (), same=False),
    _varies("nor a star among others", "vary: foo, *", ("foo: 1",), ("foo: 1",), same=False),
    _varies("nor a star after an empty member", "vary: , *", (), (), same=False),
    _varies("nor a star in a second line", "vary: foo | vary: *", ("foo: 1",), ("foo: 1",), same=False),
    may(
        "4.1",
        "two variants are kept side by side",
        first(f"{HOUR} | vary: foo", "foo: 1"),
        first(f"{HOUR} | vary: foo", "foo: 2"),
        kept("foo: 1", body=1),
        kept("foo: 2", body=2),
    ),
    # §4.3.1
    _asked_about("what is stale is asked about by its tag", OLD, {"if-none-match": '"a"'}),
    _asked_about("by a weak tag too", OLD.replace('"a"', 'W/"a"'), {"if-none-match": 'W/"a"'}),
    _asked_about("by its date", DATED, {"if-modified-since": THEN}),
    should(
        "4.3.1",
        "by both where it has both",
        first(f'{DATED} | etag: "a"'),
        validated(told={"if-none-match": '"a"', "if-modified-since": THEN}),
        ways=ASKING,
    ),
    anew("4.3.1", "what has neither is asked for anew", "200 | cache-control: max-age=60 | age: 600"),
    must(
        "4.3.1",
        "the request keeps the fields that select the answer",
        first(f"{OLD} | vary: foo", "foo: 1"),
        validated("foo: 1", told={"foo": "1"}),
        ways=ASKING,
    ),
    # §4.3.2, RFC 9110 §13.1.2, §13.1.3
    _has("a caller that has it already is told so", TAGGED, 'if-none-match: "a"'),
    _has("weak comparison is meant", TAGGED, 'if-none-match: W/"a"', 'if-none-match: "z", "a", "b"'),
    _has("any will do for a star", TAGGED, "if-none-match: *"),
    must(
        "4.3.2", "a tag that is none is no condition met", first(TAGGED), kept("if-none-match: a", status=200)
    ),
    must(
        "4.3.2",
        "what is no success is not judged",
        first(TAGGED.replace("200", "404")),
        kept('if-none-match: "a"', status=404),
    ),
    may(
        "4.3.2",
        "HEAD is told so, too",
        first(TAGGED),
        kept('if-none-match: "a"', method="HEAD", status=304),
        ways=DOOR,
    ),
    _has_not("one that has another gets it", TAGGED, 'if-none-match: "b"'),
    _has_not(
        "tags come before dates",
        f"{TAGGED} | last-modified: {THEN}",
        'if-none-match: "b"',
        f"if-modified-since: {THEN}",
    ),
    _has(
        "a caller that has it from that date is told so",
        CHANGED,
        f"if-modified-since: {THEN}",
        "if-modified-since: Tue, 05 Oct 2021 10:00:00 GMT",
    ),
    _has_not(
        "one that has an older one gets it", CHANGED, "if-modified-since: Sat, 05 Oct 2019 10:00:00 GMT"
    ),
    _has_not("a date that is none counts for nothing", CHANGED, "if-modified-since: yesterday"),
    _has("Date serves where nothing tells of a change", HOUR, "if-modified-since: {now+60}"),
    must(
        "9110 15.4.5",
        "a 304 tells what the whole answer would",
        first(f"{TAGGED} | vary: foo | expires: {{now+600}} | content-location: /x"),
        kept(
            'if-none-match: "a"',
            status=304,
            has={
                "etag": '"a"',
                "cache-control": "max-age=3600",
                "vary": "foo",
                "expires": "{now+600}",
                "content-location": "/x",
                "date": ".+",
            },
            lacks=("content-length",),
        ),
        ways=DOOR,
    ),
    must(
        "4.3.2",
        "without anything kept the caller's condition is the origin's to judge",
        asked('if-none-match: "a"', gives='304 | etag: "a"', status=304, told={"if-none-match": '"a"'}),
        asked(),
        ways=ASKING,
    ),
    must(
        "9110 13.1.1",
        "If-Match is the origin's to judge",
        first(OLD),
        asked('if-match: "b"', gives="412", status=412, told={"if-match": '"b"', "if-none-match": None}),
        ways=ASKING,
    ),
    # §4.3.3
    must("4.3.3", "a 304 makes the stored answer usable", first(OLD), validated(status=200), ways=ASKING),
    must(
        "4.3.3",
        "and the caller's own condition is judged by it",
        first(OLD),
        validated('if-none-match: "a"', status=304),
        ways=ASKING,
    ),
    must(
        "4.3.3",
        "a whole answer replaces it",
        first(OLD),
        asks(by=By.ORIGIN, gives=HOUR, told={"if-none-match": '"a"'}),
        kept(body=2),
        ways=ASKING,
    ),
    may(
        "4.3.3",
        "a failure is passed on, and changes nothing",
        first(OLD),
        asked(gives="500", status=500),
        validated(body=1),
        ways=ASKING,
    ),
    # §4.3.4
    must(
        "4.3.4",
        "a 304 makes it fresh as it says",
        first(OLD),
        validated(gives='304 | etag: "a" | cache-control: max-age=600'),
        kept(),
        ways=ASKING,
    ),
    must(
        "4.3.4",
        "a 304 of another strong tag is not about it",
        first(OLD),
        asked(gives='304 | etag: "b"', then=HOUR, status=200, body=3),
        ways=ASKING,
    ),
    must(
        "4.3.4",
        "a 304 of another date is not about it",
        first(DATED),
        asked(gives="304 | last-modified: Tue, 06 Oct 2020 10:00:00 GMT", then=HOUR, status=200, body=3),
        ways=ASKING,
    ),
    # §4.3.5
    may(
        "4.3.5",
        "HEAD is answered by what GET brought",
        first(HOUR),
        kept(method="HEAD", has={"content-length": "1"}),
        ways=DOOR,
    ),
    should(
        "4.3.5",
        "HEAD freshens what GET brought",
        first(f"{OLD} | x-a: old"),
        asked(
            method="HEAD", gives='200 | cache-control: max-age=600 | etag: "a" | x-a: new | content-length: 1'
        ),
        kept(has={"x-a": "new"}, body=1),
        ways=ASKING,
    ),
    should(
        "4.3.5",
        "HEAD of the same length freshens what came in pieces",
        first(f"{OLD} | transfer-encoding: chunked"),
        asked(method="HEAD", gives="200 | cache-control: max-age=600 | content-length: 1"),
        kept(body=1),
        ways=ASKING,
    ),
    should(
        "4.3.5",
        "HEAD of another length makes it stale",
        first(HOUR),
        asked("cache-control: no-cache", method="HEAD", gives="200 | content-length: 2"),
        asked(),
        ways=ASKING,
    ),
    may(
        "4.3.5",
        "HEAD that fails changes nothing",
        first(HOUR),
        asked("cache-control: no-cache", method="HEAD", gives="503", status=503),
        kept(body=1),
        ways=ASKING,
    ),
    should(
        "4.3.5",
        "HEAD of another version makes it stale",
        first(TAGGED),
        asked("cache-control: no-cache", method="HEAD", gives='200 | etag: "b"'),
        asked(),
        ways=ASKING,
    ),
    # RFC 9110 §14
    may(
        "9110 14.2",
        "a part of what is kept whole",
        first(HOUR),
        kept("range: bytes=0-0", status=206, has={"content-range": "bytes 0-0/1"}),
        kept("range: bytes=0-", status=206),
        kept("range: bytes=-1", status=206),
    ),
    may(
        "9110 14.2",
        "the whole where several parts are wanted",
        first(HOUR),
        kept("range: bytes=0-0,0-0", status=200),
    ),
    may(
        "3.3",
        "a part of what is kept in part",
        first("206 | cache-control: max-age=3600 | content-range: bytes 4-4/9", "range: bytes=4-4"),
        kept("range: bytes=4-4", status=206, has={"content-range": "bytes 4-4/9", "age": "[0-9]+"}),
        asked("range: bytes=3-4"),
        asked(),
        ways=ASKING,
    ),
    should(
        "9110 14.2",
        "a range that cannot be met is told so",
        first(TAGGED),
        kept(
            "range: bytes=1-",
            status=416,
            has={"content-range": "bytes \\*/1", "content-length": "0"},
            lacks=("etag", "cache-control"),
        ),
        kept("range: bytes=1-", 'if-range: "b"', status=200),
    ),
    may("9110 14.2", "the whole where the range is none", first(HOUR), kept("range: pages=1-2", status=200)),
    must(
        "9110 13.1.5",
        "the whole where If-Range tells of another version",
        first(TAGGED),
        kept("range: bytes=0-0", 'if-range: "b"', status=200),
        kept("range: bytes=0-0", 'if-range: "a"', status=206),
    ),
    must(
        "9110 13.1.5",
        "or of another date",
        first(f"{HOUR} | last-modified: {THEN}"),
        kept("range: bytes=0-0", f"if-range: {THEN}", status=206),
        kept("range: bytes=0-0", "if-range: Tue, 06 Oct 2020 10:00:00 GMT", status=200),
        ways=ASKING,
    ),
    must(
        "9110 13.1.5",
        "a weak tag is no If-Range",
        first(TAGGED.replace('"a"', 'W/"a"')),
        kept("range: bytes=0-0", 'if-range: W/"a"', status=200),
    ),
    must(
        "9110 14.2",
        "a HEAD has no part",
        first(HOUR),
        kept("range: bytes=0-0", method="HEAD", status=200),
        ways=DOOR,
    ),
    may(
        "4.3.1",
        "a part of what is stale, once it is validated",
        first(OLD),
        validated("range: bytes=0-0", status=206, told={"range": None}),
        ways=ASKING,
    ),
)
