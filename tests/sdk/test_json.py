"""Strict JSON by a table in the style of nst/JSONTestSuite: y must be read, n must be refused, i is our choice."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bff.errors import BadRequest
from bff.sdk.json import loads, refuse_duplicate_keys

ACCEPTED: dict[str, bytes] = {
    "array_empty": b"[]",
    "array_spaces": b" [ ] ",
    "array_nested": b"[[[[1]]]]",
    "array_of_everything": b'[null, 1, "1", {}, true, false]',
    "object_empty": b"{}",
    "object_empty_key": b'{"":0}',
    "object_escaped_null_in_key": b'{"foo\\u0000bar": 42}',
    "object_same_value": b'{"a":"b","b":"b"}',
    "object_like_keys": b'{"a":1,"A":2,"a ":3}',
    "object_keys_of_two_objects": b'[{"a":1},{"a":2},{"b":{"a":3}}]',
    "string_surrogate_pair": b'"\\uD801\\udc37"',
    "string_escapes": b'"\\"\\\\\\/\\b\\f\\n\\r\\t"',
    "string_del": b'"a\x7fa"',
    "string_noncharacter": b'"\xef\xbf\xbf"',
    "string_four_bytes": b'"\xf0\x9f\x98\x80"',
    "string_two_bytes_max": b'"\xdf\xbf"',
    "string_u2028": b'"\xe2\x80\xa8"',
    "string_unescaped_slash": b'"/"',
    "number_minus_zero": b"-0",
    "number_exponent": b"1e5",
    "number_exponent_plus": b"1E+2",
    "number_fraction": b"0.5",
    "number_long_fraction": b"0." + b"1" * 100,
    "number_large": b"123456789012345678901234567890",
    "number_underflow": b"1e-999",
    "literal_null": b"null",
    "literal_true": b"true",
    "whitespace_all": b"\t\r\n 1\t\r\n ",
    "depth_200": b"[" * 200 + b"]" * 200,
}
REFUSED: dict[str, bytes] = {
    "nothing": b"",
    "space": b" ",
    "bom": b"\xef\xbb\xbf{}",
    "utf16": "[1]".encode("utf-16"),
    "utf16_le_no_bom": "[1]".encode("utf-16-le"),
    "utf32": "[1]".encode("utf-32"),
    "latin1": b'"\xe9"',
    "overlong_slash": b'"\xc0\xaf"',
    "overlong_three": b'"\xe0\x80\xaf"',
    "truncated_utf8": b'"\xe2\x82"',
    "lone_continuation": b'"\x81"',
    "beyond_unicode": b'"\xf4\x90\x80\x80"',
    "surrogate_in_utf8": b'"\xed\xa0\x80"',
    "lone_high_surrogate": b'"\\uDADA"',
    "lone_low_surrogate": b'"\\uDEAD"',
    "surrogates_swapped": b'"\\uDd1e\\uD834"',
    "high_surrogate_then_text": b'"\\uD800abc"',
    "surrogate_in_key": b'{"\\uD800": 1}',
    "duplicate_key": b'{"a":1,"a":1}',
    "duplicate_key_escaped": b'{"a":1,"\\u0061":2}',
    "duplicate_key_deep": b'[[{"x":[{"a":1,"b":2,"a":3}]}]]',
    "duplicate_empty_key": b'{"":1,"":2}',
    "nan": b"NaN",
    "nan_within": b"[NaN]",
    "minus_nan": b"[-NaN]",
    "infinity": b"[Infinity]",
    "minus_infinity": b"[-Infinity]",
    "infinity_lower": b"[infinity]",
    "number_too_large": b"[1e400]",
    "number_hex": b"[0x1]",
    "number_leading_zero": b"[012]",
    "number_minus_leading_zero": b"[-012]",
    "number_plus": b"[+1]",
    "number_dot": b"[.5]",
    "number_trailing_dot": b"[1.]",
    "number_minus": b"[-]",
    "number_exponent_alone": b"[1e]",
    "number_exponent_sign": b"[1e+]",
    "number_double_minus": b"[--1]",
    "number_underscore": b"[1_000]",
    "number_fullwidth": "[１]".encode(),
    "number_then_letter": b"[1a]",
    "array_comma_at_end": b"[1,]",
    "array_comma_first": b"[,1]",
    "array_double_comma": b"[1,,2]",
    "array_no_comma": b"[1 2]",
    "array_colon": b"[1:2]",
    "array_unclosed": b"[1",
    "array_wrong_bracket": b"[1}",
    "array_two": b"[][]",
    "object_comma_at_end": b'{"a":1,}',
    "object_key_unquoted": b"{a:1}",
    "object_key_number": b"{1:1}",
    "object_key_single_quotes": b"{'a':1}",
    "object_no_colon": b'{"a" 1}',
    "object_double_colon": b'{"a"::1}',
    "object_no_value": b'{"a":}',
    "object_unclosed": b'{"a":1',
    "object_two": b"{}{}",
    "object_comment": b'{"a":1/* */}',
    "string_single_quotes": b"['a']",
    "string_unclosed": b'["a]',
    "string_raw_newline": b'["a\nb"]',
    "string_raw_tab": b'["a\tb"]',
    "string_raw_null": b'["a\x00b"]',
    "string_bad_escape": b'["\\x00"]',
    "string_escape_at_end": b'["\\"]',
    "string_short_unicode": b'["\\u00A"]',
    "string_unicode_not_hex": b'["\\uqqqq"]',
    "string_unicode_capital": b'["\\U0041"]',
    "literal_capital": b"True",
    "literal_short": b"nul",
    "literal_long": b"truee",
    "literal_undefined": b"undefined",
    "comment_line": b"//\n1",
    "comment_hash": b"# \n1",
    "trailing_text": b"1 x",
    "trailing_null_byte": b"1\x00",
    "trailing_semicolon": b"1;",
    "form_feed": b"\x0c1",
    "no_break_space": b"\xc2\xa01",
    "u2060": b"[\xe2\x81\xa0]",
    "depth_202": b"[" * 202 + b"]" * 202,
    "depth_objects": b'{"a":' * 202 + b"1" + b"}" * 202,
    "depth_100000": b"[" * 100_000,
}


@pytest.mark.parametrize("text", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_json_is_read(text: bytes) -> None:
    """As the standard library reads it."""
    assert loads(text) == json.loads(text)


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_strict_json_is_refused_in_a_sentence(text: bytes) -> None:
    with pytest.raises(BadRequest) as refused:
        loads(text)
    said = str(refused.value)
    assert said.startswith("The body is not")
    assert said.endswith(".")
    assert len(said) < 300
    assert said.isprintable()


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_whatever_can_be_written_can_be_read(value: object) -> None:
    """But for halves of surrogate pairs, which text from outside cannot hold."""
    try:
        text = json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return
    assert loads(text) == value


@given(st.binary(max_size=60))
def test_nonsense_is_read_or_refused_and_never_anything_else(text: bytes) -> None:
    try:
        value = loads(text)
    except BadRequest:
        return
    assert value == value or math.isnan(value)
    assert json.loads(text) == value


WORDS = st.sampled_from(
    ['"a"', '"b"', '""', '":"', '"\\":"', '"\\u003a"', '"\\u003A"', '"\\u0061"', '"null"', '"\\u006eull"']
)
SPACE = st.sampled_from(["", "", " ", "\n"])
NUMBERS = st.sampled_from(["1", "-0", "1e999", "-1E+999", "123456789012345678901234567890", "0.5"])


def objects(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    member = st.tuples(WORDS, SPACE, SPACE, inner).map(lambda each: f"{each[0]}{each[1]}:{each[2]}{each[3]}")
    return st.lists(member, max_size=3).map(lambda members: "{" + ",".join(members) + "}")


TEXTS = objects(
    st.recursive(
        WORDS | NUMBERS | st.just("null"),
        lambda inner: objects(inner) | st.lists(inner, max_size=3).map(lambda items: f"[{','.join(items)}]"),
        max_leaves=8,
    )
)


@given(TEXTS)
def test_no_key_twice_and_no_infinite_number_escapes_the_quick_look(text: str) -> None:
    """Whatever stands in strings, and however it is escaped or spaced: refused is what the slow look refuses."""
    body = text.encode()
    try:
        refuse_duplicate_keys(body)
    except BadRequest:
        with pytest.raises(BadRequest):
            loads(body)
    else:
        assert loads(body) == json.loads(text)


def test_a_dropped_colon_cannot_be_made_up_for() -> None:
    """The quick look counts colons: one that comes out of an escape would stand in for the key that is twice."""
    for body in (b'{"a":1,"a":"\\u003a"}', b'{"a":1,"a":"\\u003A"}', b'{"a":null,"a":1e999}'):
        with pytest.raises(BadRequest):
            loads(body)
