"""Which callers hear of parts as they come."""

from __future__ import annotations

import pytest

from bff.sdk.accept import streamed, takes_json


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("application/x-ndjson", "application/x-ndjson"),
        ("text/event-stream", "text/event-stream"),
        ("application/x-ndjson, application/json;q=0.5", "application/x-ndjson"),
        ("application/json, application/x-ndjson", "application/x-ndjson"),
        ("Text/Event-Stream ; q=0.9, */*;q=0.1", "text/event-stream"),
        ("text/event-stream;q=0.4, application/x-ndjson;q=0.8", "application/x-ndjson"),
        ("application/json, application/x-ndjson;q=0.5", None),
        ("application/x-ndjson;q=0", None),
        ("application/x-ndjson;q=many", None),
        ("*/*", None),
        ("application/*", None),
        ("text/html, application/json", None),
        ("application/x-ndjson;q=0.5, */*", None),
    ],
)
def test_it_is_named_and_wanted_no_less_than_the_whole(accept: str, expected: str | None) -> None:
    assert streamed([(b"host", b"bff"), (b"accept", accept.encode())]) == expected


def test_several_fields_are_one_list_and_none_asks_for_nothing() -> None:
    """RFC 9110 §5.3."""
    assert streamed([(b"accept", b"application/json;q=0.1"), (b"accept", b"application/x-ndjson")])
    assert streamed([]) is None


def test_commas_alone_are_no_wish() -> None:
    """RFC 9110 §5.6.1.2: empty elements of a list are passed over."""
    for said in (b",", b" , ,", b""):
        assert takes_json([(b"accept", said)])
