"""Dates in header fields, as Unix time (RFC 9110 §5.6.7): the one form that is sent and the two obsolete ones.

Pure. Names are matched without case, and every zone but GMT makes a date invalid (RFC 9111 §4.2).
"""

from __future__ import annotations

import re
from calendar import monthrange, timegm
from email.utils import formatdate

_MONTHS = {
    name: number
    for number, name in enumerate(
        (b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec"), 1
    )
}
_MONTH = rb"(?P<month>" + b"|".join(_MONTHS) + rb")"
_TIME = rb"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
_FORMS = (
    # Sun, 06 Nov 1994 08:49:37 GMT
    rb"(?:mon|tue|wed|thu|fri|sat|sun), (?P<day>[0-9]{2}) " + _MONTH + rb" (?P<year>[0-9]{4}) " + _TIME + rb" gmt",
    # Sunday, 06-Nov-94 08:49:37 GMT
    rb"(?:mon|tues|wednes|thurs|fri|satur|sun)day, (?P<day>[0-9]{2})-" + _MONTH + rb"-(?P<year>[0-9]{2}) " + _TIME + rb" gmt",
    # Sun Nov  6 08:49:37 1994
    rb"(?:mon|tue|wed|thu|fri|sat|sun) " + _MONTH + rb" (?P<day>[ 0-9][0-9]) " + _TIME + rb" (?P<year>[0-9]{4})",
)  # fmt: skip
_PATTERNS = tuple(re.compile(form, re.IGNORECASE) for form in _FORMS)
_FIFTY_YEARS = 50


def parse(value: bytes, now: float) -> float | None:
    """Unix time of the date; None if it is none. ``now`` tells the century of a year with two digits."""
    for pattern in _PATTERNS:
        match = pattern.fullmatch(value.strip(b" \t"))
        if match is not None:
            return _time_of(match, now)
    return None


def written(when: float) -> bytes:
    """The date as it is sent."""
    return formatdate(when, usegmt=True).encode()


def _time_of(match: re.Match[bytes], now: float) -> float | None:
    text = match["year"]
    year = int(text) if len(text) == 4 else _in_its_century(int(text), now)
    month, day = _MONTHS[match["month"].lower()], int(match["day"])
    hour, minute, second = int(match["hour"]), int(match["minute"]), int(match["second"])
    if year < 1 or not 1 <= day <= monthrange(year, month)[1] or hour > 23 or minute > 59 or second > 60:
        return None
    return float(timegm((year, month, day, hour, minute, second, 0, 0, 0)))


def _in_its_century(year: int, now: float) -> int:
    """RFC 9110 §5.6.7: one that seems to lie over 50 years ahead is the last year with these digits."""
    this_year = int(formatdate(now).split()[3])
    full = this_year - this_year % 100 + year
    return full - 100 if full > this_year + _FIFTY_YEARS else full
