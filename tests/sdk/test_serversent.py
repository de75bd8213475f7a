"""Server-sent events as the HTML standard has them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from bff import ServerSentEvent
from bff.sdk import framing


class Price(BaseModel):
    cents: int = Field(serialization_alias="ct")


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (ServerSentEvent(data="hello"), b"data: hello\n\n"),
        (ServerSentEvent(data="two\nlines\r\nor three\rfour"), b"data: two\ndata: lines\ndata: or three\ndata: four\n\n"),
        (ServerSentEvent(data=""), b"data: \n\n"),
        (ServerSentEvent(data={"a": [1, None]}), b'data: {"a":[1,null]}\n\n'),
        (ServerSentEvent(data=Price(cents=5)), b'data: {"ct":5}\n\n'),
        (ServerSentEvent(data=0), b"data: 0\n\n"),
        (ServerSentEvent(data="x", event="price", id="7"), b"event: price\nid: 7\ndata: x\n\n"),
        (ServerSentEvent(retry=1500), b"retry: 1500\n\n"),
        (ServerSentEvent(comment="still\nhere"), b": still\n: here\n\n"),
        (ServerSentEvent(data="half a \ud800 pair"), b"data: half a ? pair\n\n"),
    ],
)  # fmt: skip
def test_each_field_has_its_line(event: ServerSentEvent, said: bytes) -> None:
    assert event.encode() == said


@pytest.mark.parametrize("field", ["event", "id"])
@pytest.mark.parametrize("breaks", ["\n", "\r", "\0"])
def test_no_name_or_id_begins_another_field(field: str, breaks: str) -> None:
    with pytest.raises(ValueError, match=field):
        ServerSentEvent(**{field: f"a{breaks}data: forged"})


def test_retry_is_never_negative() -> None:
    with pytest.raises(ValueError, match="retry"):
        ServerSentEvent(retry=-1)


@given(st.text(), st.text(st.characters(exclude_characters="\r\n\0")), st.text())
def test_a_reader_gets_back_what_was_said(data: str, name: str, comment: str) -> None:
    """Parsed by the standard's own steps (§9.2.6), whatever the text holds."""
    said = ServerSentEvent(data=data, event=name, comment=comment).encode().decode()
    assert said.endswith("\n\n")
    got: list[str] = []
    named = ""
    for line in said.removesuffix("\n\n").split("\n"):
        assert line, "an empty line would end the event"
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            got.append(value)
        elif field == "event":
            named = value
        else:
            assert field == ""
    kept = data.encode("utf-8", "replace").decode().replace("\r\n", "\n").replace("\r", "\n")
    assert "\n".join(got) == kept
    assert named == name.encode("utf-8", "replace").decode()


@pytest.mark.parametrize(
    ("item", "prefers_events", "expected"),
    [
        (ServerSentEvent(data=1), False, framing.EVENTS),
        ({"a": 1}, False, framing.NDJSON),
        ({"a": 1}, True, framing.EVENTS),
        ("text", True, framing.TEXT),
        (b"bytes", True, framing.BINARY),
    ],
)
def test_the_first_item_tells_how_the_others_follow(
    item: Any, prefers_events: bool, expected: framing.Framing
) -> None:
    assert framing.framing_of(item, prefers_events=prefers_events) is expected


def test_among_events_anything_else_is_ones_data() -> None:
    assert framing.EVENTS.encode({"a": 1}) == b'data: {"a":1}\n\n'
    assert framing.EVENTS.encode(b"raw") == b"data: raw\n\n"
