"""JSON as it comes from outside, read strictly: RFC 8259 and nothing more.

Refused, each with its place: NaN and infinities, duplicate keys, nesting beyond 200 levels, lone
surrogates, anything that is not UTF-8.
"""

from __future__ import annotations

import json
import math
from typing import Any

import orjson
from pydantic_core import from_json

from bff.errors import BadRequest


def loads(body: bytes) -> Any:
    """The value of a JSON text.

    Raises:
        BadRequest: it is not strict JSON; the sentence says what and where.

    """
    try:
        value = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise BadRequest(f"The body is not JSON: {error}.") from None
    if isinstance(value, dict | list) and not _is_plainly_good(body, value):
        refuse_duplicate_keys(body)
    return value


def _is_plainly_good(body: bytes, value: Any) -> bool:
    """Whether no key stands twice and no number is too large; False where that has to be looked at closely.

    The value written again has each key once, so it has fewer colons than the text where one stood twice: those
    within strings are the same, unless one was escaped. A number that is infinite became one more ``null``.
    """
    try:
        again = orjson.dumps(value)
    except TypeError:  # an integer of more than 64 bits
        return False
    return (
        again.count(b":") == body.count(b":")
        and again.count(b"null") == body.count(b"null")
        and b"\\u003a" not in body
        and b"\\u003A" not in body
    )


def refuse_duplicate_keys(body: bytes) -> None:
    """A second pass over a text known to be JSON: every parser in sight keeps the last of two equal keys
    in silence, and RFC 8259 §4 calls what follows unpredictable.

    Raises:
        BadRequest: an object names a key twice.

    """
    _KEYS.decode(body.decode())


def _unique(pairs: list[tuple[str, Any]]) -> None:
    if len({key for key, _ in pairs}) == len(pairs):
        return
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise BadRequest(f"The body is not acceptable JSON: the key {key!r} appears twice in one object.")
        seen.add(key)


def _finite(text: str) -> None:
    if math.isinf(float(text)):
        raise BadRequest(f"The body is not acceptable JSON: {text[:40]} is no number that can be held.")


# Values do not matter in the second pass: numbers stay text, objects become None.
_KEYS = json.JSONDecoder(object_pairs_hook=_unique, parse_int=str, parse_float=_finite)
