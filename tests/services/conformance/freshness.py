"""RFC 9111 §4.2 and §5.3: how long an answer is fresh, and how old it is; RFC 9213: who may say so."""

from __future__ import annotations

from tests.services.conformance.case import (
    ASKING,
    DOOR,
    Case,
    anew,
    first,
    kept,
    may,
    must,
    reused,
    should,
    validated,
)


def _lives(section: str, rule: str, fields: str) -> Case:
    return reused(section, rule, f"200 | {fields}")


def _is_stale(section: str, rule: str, fields: str) -> Case:
    return anew(section, rule, f"200 | {fields}")


def _is_no_date(text: str) -> Case:
    return _is_stale("5.3", f"Expires that is no date is in the past: {text}", f"expires: {text}")


CASES: tuple[Case, ...] = (
    # §4.2, §4.2.1
    _lives("4.2.1", "max-age is a lifetime", "cache-control: max-age=60"),
    _lives("4.2.1", "its name has no case", "cache-control: MaX-AgE=60"),
    _lives("4.2.1", "it may stand in quotes", 'cache-control: max-age="60"'),
    _lives("4.2.1", "zeros before it count for nothing", "cache-control: max-age=0060"),
    _lives("1.2.2", "2^31 is as long as it gets", "cache-control: max-age=2147483648"),
    _lives("1.2.2", "a longer number is no overflow", "cache-control: max-age=99999999999999999999999"),
    _lives("4.2.1", "a directive nobody knows does no harm", "cache-control: max-age=60, x-new=1, y"),
    _is_stale("4.2.1", "max-age=0 is stale at once", "cache-control: max-age=0"),
    _is_stale("4.2.1", "a negative lifetime is none", "cache-control: max-age=-60"),
    _is_stale("4.2.1", "a lifetime in single quotes is none", "cache-control: max-age='60'"),
    _is_stale("4.2.1", "a lifetime with letters is none", "cache-control: max-age=a60"),
    _is_stale("4.2.1", "a lifetime with letters behind it is none", "cache-control: max-age=60a"),
    _is_stale("4.2.1", "a fraction is no lifetime", "cache-control: max-age=60.5"),
    _is_stale("4.2.1", "max-age within another's quotes is none", 'cache-control: x="max-age=60"'),
    _is_stale("4.2.1", "and none after it", 'cache-control: max-age=0, x="max-age=60"'),
    _is_stale(
        "4.2.1", "two lifetimes that differ are the strict way", "cache-control: max-age=60, max-age=0"
    ),
    _is_stale("4.2.1", "in two lines too", "cache-control: max-age=60 | cache-control: max-age=0"),
    _is_stale("4.2.1", "a lifetime without a number is none", "cache-control: max-age"),
    _is_stale("4.2.1", "nor is an empty one", "cache-control: max-age= | expires: {now+600}"),
    _lives("4.2.1", "empty members are nothing", "cache-control: , public ,, max-age=60,"),
    _is_stale("4.2.1", "s-maxage that is no number is none", "cache-control: max-age=60, s-maxage=soon"),
    _is_stale("4.2.1", "s-maxage wins, shorter", "cache-control: max-age=60, s-maxage=0"),
    _is_stale(
        "4.2.1", "s-maxage wins, in another line", "cache-control: s-maxage=0 | cache-control: max-age=60"
    ),
    _lives("4.2.1", "s-maxage wins, longer", "cache-control: s-maxage=60, max-age=0 | expires: {now-60}"),
    _lives("4.2.1", "max-age wins over Expires in the past", "cache-control: max-age=60 | expires: {now-60}"),
    _lives("4.2.1", "max-age wins over Expires that is none", "cache-control: max-age=60 | expires: 0"),
    _is_stale(
        "4.2.1", "max-age=0 wins over Expires to come", "cache-control: max-age=0 | expires: {now+600}"
    ),
    # §4.2.3, §5.1
    _is_stale("4.2.3", "what came too old is stale", "cache-control: max-age=60 | age: 61"),
    anew("4.2.3", "Date tells the age too", "200 | cache-control: max-age=60 | date: {now-600}", ways=ASKING),
    _is_stale("4.2.3", "Age counts beside Expires", "expires: {now+60} | age: 600"),
    _lives("4.2.3", "a clock that is ahead makes nothing old", "cache-control: max-age=60 | date: {now+600}"),
    _lives("5.1", "Age that is no number counts for nothing", "cache-control: max-age=60 | age: old"),
    _lives("5.1", "negative Age counts for nothing", "cache-control: max-age=60 | age: -100"),
    _lives("5.1", "Age with a fraction counts for nothing", "cache-control: max-age=60 | age: 100.5"),
    _is_stale("1.2.2", "Age of 2^31 is as old as it gets", "cache-control: max-age=60 | age: 2147483648"),
    _is_stale("5.1", "of two Ages the first counts", "cache-control: max-age=60 | age: 100, 0"),
    _is_stale("5.1", "of two Age lines the first counts", "cache-control: max-age=60 | age: 100 | age: 0"),
    _lives("5.1", "and no later one", "cache-control: max-age=60 | age: 0, 100"),
    must(
        "5.1",
        "a kept answer has an Age",
        first("200 | cache-control: max-age=60"),
        kept(has={"age": r"[0-9]+"}),
    ),
    must(
        "5.1",
        "which goes on from the one it came with",
        first("200 | cache-control: max-age=600 | age: 100"),
        kept(has={"age": "1[0-9]{2}"}),
    ),
    must(
        "4.2.3",
        "an age that only Date tells is said as well",
        first("200 | cache-control: max-age=600 | date: {now-100}"),
        kept(has={"age": "1[0-9]{2}"}),
        ways=ASKING,
    ),
    should(
        "5.1",
        "what was validated just now is not old",
        first('200 | cache-control: max-age=60 | age: 100 | etag: "a"'),
        validated(gives='304 | etag: "a" | cache-control: max-age=60', has={"age": "[0-9]{1,2}"}),
        ways=ASKING,
    ),
    must(
        "4.2.3",
        "Date stays what it was",
        first("200 | cache-control: max-age=600 | date: {now-100}"),
        kept(has={"date": "{now-100}"}),
        ways=ASKING,
    ),
    must(
        "5.3",
        "Expires stays what it was",
        first("200 | expires: {now+600}"),
        kept(has={"expires": "{now+600}"}),
    ),
    # §5.3
    _lives("5.3", "Expires to come is a lifetime", "expires: {now+600}"),
    _lives("5.3", "a date without Date is counted from now", "expires: {now+600} | date: nonsense"),
    _is_stale("5.3", "of two that differ none counts", "expires: {now+600} | expires: {now+700}"),
    _lives("5.3", "said twice it is the same", "expires: {now+600} | expires: {now+600}"),
    _is_stale("5.3", "Expires in the past is stale", "expires: {now-600}"),
    _is_stale("5.3", "Expires of this moment is stale", "expires: {now} | date: {now}"),
    _is_stale(
        "5.3", "Expires before Date is stale, wherever clocks are", "expires: {now+600} | date: {now+900}"
    ),
    _lives("5.3", "far away", "expires: Thu, 18 Aug 2250 02:01:18 GMT"),
    _lives("5.3", "RFC 850's form is read", "expires: {now+600:850}"),
    _lives("5.3", "asctime's form is read", "expires: {now+600:asctime}"),
    *map(
        _is_no_date,
        (
            "0",
            "Thu, 18 Aug 2050 02:01:18 UTC",
            "Thu, 18 Aug 2050 02:01:18 AEST",
            "Thu, 18 Aug 50 02:01:18 GMT",
            "Thu 18 Aug 2050 02:01:18 GMT",
            "Thu, 18  Aug  2050 02:01:18 GMT",
            "Thu, 18-Aug-2050 02:01:18 GMT",
            "Thu, 18 Aug 2050 02.01.18 GMT",
            "Thu, 18 Aug 2050 2:01:18 GMT",
            "Thu, 8 Aug 2050 02:01:18 GMT",
            "Thu, 18 Aug 2050 25:01:18 GMT",
        ),
    ),
    # RFC 9213
    _lives("9213 2.2", "a targeted lifetime counts", "cdn-cache-control: max-age=60"),
    _lives("9213 2.2", "it wins, longer", "cdn-cache-control: max-age=60 | cache-control: max-age=0"),
    _is_stale("9213 2.2", "it wins, shorter", "cdn-cache-control: max-age=0 | cache-control: max-age=60"),
    _lives("9213 2.2", "it wins over no-store", "cdn-cache-control: max-age=60 | cache-control: no-store"),
    _is_stale("9213 2.2", "its private counts", "cdn-cache-control: private | cache-control: max-age=60"),
    _is_stale("9213 2.2", "its no-store counts", "cdn-cache-control: no-store | cache-control: max-age=60"),
    _is_stale("9213 2.2", "its no-cache counts", "cdn-cache-control: no-cache | cache-control: max-age=60"),
    _is_stale(
        "9213 2.2",
        "Expires counts for nothing beside it",
        "cdn-cache-control: max-age=0 | expires: {now+600}",
    ),
    _is_stale("9213 2.2", "Age counts beside it", "cdn-cache-control: max-age=60 | age: 600"),
    _is_stale(
        "9213 2.2",
        "the nearest target counts",
        "bff-cache-control: max-age=0 | cdn-cache-control: max-age=60",
    ),
    _lives(
        "9213 2.1",
        "one that breaks the syntax is no field",
        "cdn-cache-control: max-age=0, &&& | cache-control: max-age=60",
    ),
    _lives("9213 2.1", "one that is empty is no field", "cdn-cache-control: | cache-control: max-age=60"),
    _is_stale("9213 2.1", "a member of another type is not there", 'cdn-cache-control: max-age="60"'),
    _is_stale("9213 2.1", "a number with a point is of another type", "cdn-cache-control: max-age=60.0"),
    _is_stale("9213 2.1", "the last of a key counts", "cdn-cache-control: max-age=60, max-age=0"),
    _lives("9213 2.1", "in several lines it is one", "cdn-cache-control: x | cdn-cache-control: max-age=60"),
    _lives("9213 2.1", "parameters count for nothing", "cdn-cache-control: max-age=60;x=1, private=?0"),
    _lives(
        "9213 2.1",
        "a comma that nothing follows breaks it",
        "cdn-cache-control: no-store, | cache-control: max-age=60",
    ),
    _is_stale("9213 2.1", "its keys have case", "cdn-cache-control: MaX-aGe=60"),
    may(
        "9213 2.2",
        "it is passed on to whoever is nearer to the caller",
        first("200 | cdn-cache-control: max-age=60"),
        kept(has={"cdn-cache-control": "max-age=60"}),
        ways=DOOR,
    ),
)
