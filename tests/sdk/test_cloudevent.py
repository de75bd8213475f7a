"""CloudEvents as they come over HTTP: both modes, and every violation named."""

from __future__ import annotations

import contextlib
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bff.errors import BadRequest, UnsupportedMediaType
from bff.sdk.cloudevent import (
    CloudEvent,
    all_from_http,
    checked,
    document_of,
    from_http,
    is_json,
    to_http,
)

REQUIRED = {"id": "1", "source": "/shop", "type": "order.paid", "specversion": "1.0"}


def binary(attributes: dict[str, str], body: bytes = b"", content_type: str | None = None) -> CloudEvent:
    headers = [(f"ce-{name}".encode(), value.encode("latin-1")) for name, value in attributes.items()]
    if content_type is not None:
        headers.append((b"content-type", content_type.encode()))
    return from_http(headers, body)


def structured(
    document: Any, content_type: str = "application/cloudevents+json; charset=utf-8"
) -> CloudEvent:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return from_http([(b"content-type", content_type.encode())], body)


def test_binary_mode_reads_the_ce_fields() -> None:
    """Attributes, extensions and the media type come from fields, the data from the body."""
    event = binary(
        {**REQUIRED, "subject": "a", "time": "2024-01-01T00:00:00Z", "tenant": "t1"},
        b'{"total": 3}',
        "application/json; charset=utf-8",
    )
    assert event == CloudEvent(
        id="1",
        source="/shop",
        type="order.paid",
        subject="a",
        time="2024-01-01T00:00:00Z",
        datacontenttype="application/json; charset=utf-8",
        data={"total": 3},
        extensions={"tenant": "t1"},
    )


def test_structured_mode_reads_one_document() -> None:
    """The same event from a JSON document; extensions keep their JSON types."""
    event = structured({**REQUIRED, "data": {"total": 3}, "attempt": 2, "dry": True, "dataschema": "urn:s"})
    assert (event.data, event.extensions, event.dataschema) == (
        {"total": 3},
        {"attempt": 2, "dry": True},
        "urn:s",
    )


@pytest.mark.parametrize(
    ("body", "content_type", "data"),
    [
        (b"", None, None),
        (b"", "application/json", None),
        (b"\x00\xff", "application/octet-stream", b"\x00\xff"),
        (b"hello", "text/plain", b"hello"),
        (b"hello", None, b"hello"),
        (b"[1]", "application/vnd.shop+json", [1]),
    ],
)
def test_binary_data_is_parsed_only_when_it_is_json(body: bytes, content_type: str | None, data: Any) -> None:
    """Everything else stays bytes; no body is None."""
    assert binary(REQUIRED, body, content_type).data == data


def test_base64_data_is_bytes() -> None:
    """``data_base64`` is decoded, strictly."""
    assert structured({**REQUIRED, "data_base64": "AP8="}).data == b"\x00\xff"
    for wrong in ("AP8", "A P8=", "ä", 5, ["AP8="], {}):
        with pytest.raises(BadRequest, match="not base64"):
            structured({**REQUIRED, "data_base64": wrong})


def test_an_event_has_one_data() -> None:
    """``data`` and ``data_base64`` exclude each other (JSON format §3.1)."""
    with pytest.raises(BadRequest, match="both data and data_base64"):
        structured({**REQUIRED, "data": 1, "data_base64": "AP8="})


def test_null_attributes_are_as_good_as_unset() -> None:
    """CloudEvents JSON format 1.0.2 §2.2."""
    event = structured({**REQUIRED, "subject": None, "tenant": None, "data": None})
    assert (event.subject, event.extensions, event.data) == (None, {}, None)
    with pytest.raises(BadRequest, match="id is missing"):
        structured({**REQUIRED, "id": None})


def test_fields_are_percent_decoded() -> None:
    """HTTP binding §3.1.3.2: texts beyond ASCII travel percent-encoded."""
    assert binary({**REQUIRED, "subject": "Euro %E2%82%AC %F0%9F%98%80"}).subject == "Euro € 😀"


@pytest.mark.parametrize("value", ["%ff", "%C3%28"])
def test_a_field_that_is_not_utf8_is_the_callers_mistake(value: str) -> None:
    """A 400, not an accident of the function."""
    with pytest.raises(BadRequest, match="UTF-8"):
        binary({**REQUIRED, "subject": value})


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"id": ""}, "id is missing"),
        ({"source": ""}, "source is missing"),
        ({"type": ""}, "type is missing"),
        ({"specversion": ""}, "specversion is missing"),
        ({"specversion": "0.3"}, "specversion '0.3' is not 1.0"),
        ({"subject": ""}, "subject is empty"),
        ({"time": "yesterday"}, "time 'yesterday' is not"),
        ({"time": "2024-01-01"}, "time '2024-01-01' is not"),
        ({"time": "2024-02-30T00:00:00Z"}, "time '2024-02-30T00:00:00Z' is not"),
        ({"time": "2024-01-01T24:00:00Z"}, "time '2024-01-01T24:00:00Z' is not"),
        ({"time": "2024-01-01T00:00:00"}, "time '2024-01-01T00:00:00' is not"),
        ({"some_thing": "x"}, "'some_thing' is not lower-case"),
        ({"data": "x"}, "'data' is not lower-case a-z0-9, or is reserved"),
    ],
)
def test_a_violation_is_named(change: dict[str, str], why: str) -> None:
    """In binary mode each breach of the specification has its words."""
    with pytest.raises(BadRequest, match=why):
        binary({**REQUIRED, **change})


@pytest.mark.parametrize(
    "time",
    [
        "2024-01-01T00:00:00Z",
        "2024-12-31T23:59:60Z",
        "2024-01-01t00:00:00.123456789z",
        "2024-01-01T00:00:00+05:30",
        "2024-02-29T00:00:00-00:00",
    ],
)
def test_times_of_rfc_3339_are_taken_as_they_are(time: str) -> None:
    """Leap seconds, fractions and offsets included; the text is not changed."""
    assert binary({**REQUIRED, "time": time}).time == time


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"id": 5}, "id is not a string"),
        ({"type": True}, "type is not a string"),
        ({"subject": 5}, "subject is not a string"),
        ({"source": {"a": 1}}, "source is not a string"),
        ({"tenant": {"a": 1}}, "tenant is not a string, an integer or a boolean"),
        ({"weight": 1.5}, "weight is not a string, an integer or a boolean"),
        ({"TENANT": "x"}, "'TENANT' is not lower-case"),
        ({"specversion": 1.0}, "specversion"),
    ],
)
def test_a_violation_of_types_is_named(change: dict[str, Any], why: str) -> None:
    """In structured mode attributes have JSON types, and only some are allowed."""
    with pytest.raises(BadRequest, match=why):
        structured({**REQUIRED, **change})


def test_a_body_that_is_no_json_hides_no_other_violation() -> None:
    """Of an event in binary mode both are told, as of a structured one."""
    fields = [(b"content-type", b"application/json"), (b"ce-specversion", b"2"), (b"ce-time", b"now")]
    with pytest.raises(BadRequest) as failure:
        from_http(fields, b"{bad")
    for why in (
        "its data cannot be read: The body is not JSON",
        "id is missing",
        "specversion '2'",
        "time 'now'",
    ):
        assert why in str(failure.value)


def test_all_violations_are_named_at_once() -> None:
    """One sentence holds every one."""
    with pytest.raises(BadRequest) as failure:
        binary({"specversion": "2", "time": "now", "B@D": "x"})
    for why in (
        "id is missing",
        "source is missing",
        "type is missing",
        "specversion '2'",
        "time 'now'",
        "'B@D'",
    ):
        assert why in str(failure.value)


@pytest.mark.parametrize(
    "document", [b"", b"{", b"[]", b"1", b"null", b'{"id": NaN}', b'{"id":"1","id":"2"}']
)
def test_a_structured_body_that_is_no_object_is_400(document: bytes) -> None:
    """Broken JSON and other values are the caller's mistake."""
    with pytest.raises(BadRequest):
        structured(document)


def test_json_data_that_is_broken_is_400() -> None:
    """Data that says that it is JSON is JSON."""
    with pytest.raises(BadRequest, match="not JSON"):
        binary(REQUIRED, b"{", "application/json")


def test_a_plain_request_is_no_event() -> None:
    """Without ce- fields everything required is missing."""
    with pytest.raises(BadRequest, match="id is missing; source is missing"):
        from_http([(b"content-type", b"application/json")], b"{}")


@pytest.mark.parametrize(
    ("media_type", "answer"),
    [
        ("application/json", True),
        ("Application/JSON; charset=utf-8", True),
        ("text/json", True),
        ("application/problem+json", True),
        ("application/json-seq", False),
        ("application/jsonp", False),
        ("text/plain; a=application/json", False),
        ("", False),
    ],
)
def test_json_is_told_by_its_essence(media_type: str, answer: bool) -> None:
    """Parameters and case do not matter, look-alikes do not count."""
    assert is_json(media_type) is answer


@given(
    st.dictionaries(
        st.text(max_size=8),
        st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=8)),
        max_size=6,
    ),
    st.binary(max_size=40),
)
def test_whatever_comes_is_an_event_or_a_400(fields: dict[str, Any], body: bytes) -> None:
    """No document and no bytes lead to another exception."""
    for attempt in (
        lambda: structured({**REQUIRED, **fields}),
        lambda: structured(body),
        lambda: binary(REQUIRED, body, "application/json"),
    ):
        with contextlib.suppress(BadRequest):
            assert isinstance(attempt(), CloudEvent)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"subject": "a\u0000b"}, "subject has a character"),
        ({"subject": "a\u0085b"}, "subject has a character"),
        ({"subject": "a\ufdd0b"}, "subject has a character"),
        ({"subject": "a\U0001ffffb"}, "subject has a character"),
        ({"tenant": "a\u001fb"}, "tenant has a character"),
        ({"weight": 2**31}, "weight is an integer of more than 32 bits"),
        ({"weight": -(2**31) - 1}, "weight is an integer of more than 32 bits"),
        ({"source": "not a reference"}, "source 'not a reference' is not a URI-reference"),
        ({"source": "/a#b#c"}, "is not a URI-reference"),
        ({"source": "/a%zz"}, "is not a URI-reference"),
        ({"dataschema": "/relative"}, "dataschema '/relative' is not an absolute URI"),
        ({"datacontenttype": "json"}, "datacontenttype 'json' is not a media type"),
        ({"datacontenttype": "a/b; c"}, "is not a media type"),
        ({"data_base64": "AA==", "data": 1, "id": ""}, "both data and data_base64; id is missing"),
    ],
)
def test_what_sdks_let_pass_is_refused(change: dict[str, Any], why: str) -> None:
    """The type system and the forms that the specification gives attributes (§2, §3.1)."""
    with pytest.raises(BadRequest, match=re.escape(why)):
        structured({**REQUIRED, **change})


@pytest.mark.parametrize(
    "change",
    [
        {"source": "urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66"},
        {"source": "/cloudevents/spec/pull/123#1"},
        {"source": "1-555-123-4567"},
        {"weight": 2**31 - 1},
        {"weight": -(2**31)},
        {"subject": "ü €😀"},
        {"datacontenttype": 'text/plain; charset="utf-8"; x=y'},
        {"dataschema": "https://example.com/schema?v=1"},
    ],
)
def test_what_the_specification_allows_is_taken(change: dict[str, Any]) -> None:
    """Its own examples among them (§3.1.1)."""
    assert structured({**REQUIRED, **change})


def test_a_field_in_double_quotes_is_unescaped_first() -> None:
    """HTTP binding §3.1.3.2."""
    assert binary({**REQUIRED, "subject": '"a \\"b\\" %41"'}).subject == 'a "b" A'


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ([(b"ce-id", b"2")], "ce-id stands twice"),
        ([(b"ce-datacontenttype", b"text/plain")], "datacontenttype travels as Content-Type"),
    ],
)
def test_fields_that_contradict_each_other_are_refused(fields: list[tuple[bytes, bytes]], why: str) -> None:
    """No attribute is taken from one of two places."""
    given = [(f"ce-{name}".encode(), value.encode()) for name, value in REQUIRED.items()]
    with pytest.raises(BadRequest, match=why):
        from_http(given + fields, b"")


def batch(documents: Any, *, most: int = 10) -> list[CloudEvent]:
    body = documents if isinstance(documents, bytes) else json.dumps(documents).encode()
    return all_from_http([(b"content-type", b"application/cloudevents-batch+json")], body, most=most)


def test_a_batch_is_a_list_of_events() -> None:
    """JSON format §4; an empty one is a batch too."""
    assert [event.id for event in batch([{**REQUIRED, "id": str(n)} for n in range(3)])] == ["0", "1", "2"]
    assert batch([]) == []


def test_one_event_is_read_where_batches_are() -> None:
    """Whoever takes batches takes the other two modes."""
    assert [event.id for event in all_from_http(*_binary(), most=1)] == ["1"]
    kind = [(b"content-type", b"application/cloudevents+json")]
    assert [event.id for event in all_from_http(kind, json.dumps(REQUIRED).encode(), most=1)] == ["1"]


def _binary() -> tuple[list[tuple[bytes, bytes]], bytes]:
    return [(f"ce-{name}".encode(), value.encode()) for name, value in REQUIRED.items()], b""


def test_every_violation_in_a_batch_is_told_with_its_place() -> None:
    """All or none: nobody has to find the second mistake with the second try."""
    with pytest.raises(BadRequest) as refused:
        batch([REQUIRED, {**REQUIRED, "id": ""}, 5, {**REQUIRED, "time": "now", "source": ""}])
    assert str(refused.value) == (
        "These are not CloudEvents: event 1: id is missing / event 2: a structured CloudEvent is a JSON object"
        " / event 3: source is missing; time 'now' is not as RFC 3339 has it."
    )


@pytest.mark.parametrize(
    ("documents", "why"),
    [(REQUIRED, "a JSON array"), (b"[", "not JSON"), ([REQUIRED] * 11, "at most 10 events")],
)
def test_what_is_no_batch_is_refused(documents: Any, why: str) -> None:
    """With what it should be."""
    with pytest.raises(BadRequest, match=why):
        batch(documents)


@pytest.mark.parametrize("kind", ["application/cloudevents+avro", "application/cloudevents-batch+json"])
def test_a_format_that_is_not_read_is_415(kind: str) -> None:
    """A handler of one event takes no batch; nobody takes Avro."""
    with pytest.raises(UnsupportedMediaType, match="as ce-"):
        from_http([(b"content-type", kind.encode())], b"[]")


EVENTS = st.builds(
    CloudEvent,
    id=st.text(st.characters(categories=("L", "N", "P", "Zs")), min_size=1, max_size=9),
    source=st.sampled_from(["/shop", "urn:x", "a%20b"]),
    type=st.sampled_from(["order.paid", 'quo"te', "100 %"]),
    subject=st.none() | st.text(st.characters(categories=("L", "S")), min_size=1, max_size=9),
    data=st.none() | st.binary(min_size=1, max_size=9),
    extensions=st.dictionaries(st.sampled_from(["tenant", "a1"]), st.sampled_from(["x", "ä ö"]), max_size=2),
)


@given(EVENTS)
def test_what_is_written_is_read_again(event: CloudEvent) -> None:
    """In both modes, whatever the attributes hold; extensions that nobody knows stay."""
    assert from_http(*to_http(event)) == event
    kind = [(b"content-type", b"application/cloudevents+json")]
    assert from_http(kind, json.dumps(document_of(event)).encode()) == event


@given(EVENTS)
def test_what_is_sent_to_a_service_is_read_again(event: CloudEvent) -> None:
    """In all three modes, as the broker of another gateway reads them."""
    for sent in (event.binary(), event.structured(), CloudEvent.batched([event])):
        fields = [(name.encode(), value.encode("latin-1")) for name, value in sent["headers"].items()]
        assert all_from_http(fields, sent["content"], most=1) == [event]


def test_what_is_no_event_is_not_sent() -> None:
    """Whoever made it hears of it, and no service does."""
    wrong = CloudEvent(id="", source="/s", type="t")
    for send in (wrong.binary, wrong.structured, lambda: CloudEvent.batched([wrong])):
        with pytest.raises(ValueError, match="id"):
            send()


def test_data_of_json_travels_as_json() -> None:
    """Without a content type JSON is meant (JSON format §3.1)."""
    event = CloudEvent(**REQUIRED, data={"a": [1, True]})
    headers, body = to_http(event)
    assert (b"content-type", b"application/json") in headers
    assert json.loads(body) == {"a": [1, True]}
    text = CloudEvent(
        **REQUIRED, data="plain", datacontenttype="text/plain", extensions={"n": 5, "yes": True}
    )
    headers, body = to_http(text)
    assert (body, (b"ce-n", b"5") in headers, (b"ce-yes", b"true") in headers) == (b"plain", True, True)


def test_an_event_made_by_hand_is_held_to_the_specification() -> None:
    """All of its violations at once."""
    assert checked(CloudEvent(**REQUIRED)).id == "1"
    with pytest.raises(ValueError, match="id is missing; dataschema 'x' is not an absolute URI"):
        checked(CloudEvent(**{**REQUIRED, "id": "", "dataschema": "x"}))
