"""No text ends a line or speaks to a terminal, in JSON or in the pretty form, whoever wrote it."""

from __future__ import annotations

import io
import json
import unicodedata
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bff.telemetry.lines import Lines
from bff.telemetry.plain import json_line, json_text, one_line, some_lines

UNSEEN = [
    *map(chr, range(0x20)),
    *map(chr, range(0x7F, 0xA0)),
    *"\u00ad\u0600\u061c\u06dd\u200b\u200e\u200f\u2028\u2029\u202a\u202e\u2066\u2069\ufeff\U000110bd\U000e0041",
]
"""Control characters, line separators, and what turns or hides text."""
COLOURS = ("\x1b[2m", "\x1b[0m", "\x1b[36m", "\x1b[31m", "\x1b[33m")


def written(*, pretty: bool, event: str = "said", is_ours: bool = False, **fields: Any) -> str:
    stream = io.StringIO()
    Lines(stream, pretty=pretty, level="debug").write("info", event, fields, is_ours=is_ours)
    return stream.getvalue()


def without_our_colours(text: str) -> str:
    for colour in COLOURS:
        text = text.replace(colour, "")
    return text


def seen(text: str) -> bool:
    return not any(unicodedata.category(each) in ("Cc", "Cf", "Zl", "Zp", "Cs") for each in text)


@pytest.mark.parametrize("unseen", UNSEEN, ids=lambda each: f"U+{ord(each):04X}")
def test_nothing_unseen_is_written_in_json(unseen: str) -> None:
    """Whether it is the event, a value, a name or deep within: the line stays one, and readers get the same text."""
    text = f"a{unseen}b"
    line = written(pretty=False, event=text, **{"one": text, text: "x", "deep": [{text: [text]}]})
    assert line.endswith("}\n")
    assert seen(line[:-1])
    read = json.loads(line)
    assert (read["event"], read["one"], read[text], read["deep"]) == (text, text, "x", [{text: [text]}])


@pytest.mark.parametrize("unseen", UNSEEN, ids=lambda each: f"U+{ord(each):04X}")
def test_nothing_unseen_reaches_a_terminal(unseen: str) -> None:
    """As an event, a value or a name of a field."""
    text = f"a{unseen}b"
    line = written(pretty=True, event=text, **{"one": text, text: "x", "deep": [{text: [text]}]})
    assert line.endswith("\n")
    assert seen(without_our_colours(line[:-1]))


@settings(max_examples=100)
@given(st.text(), st.text(min_size=1), st.text())
def test_one_event_is_one_line(event: str, name: str, value: str) -> None:
    """Of JSON that is read back, and of a terminal."""
    for pretty in (False, True):
        line = written(pretty=pretty, event=event, **{f"x-{name}": value})
        assert len(line.splitlines()) == 1, line
        assert line.isascii() or seen(without_our_colours(line[:-1]))


def test_a_forged_line_is_text_of_the_line_that_it_is_in() -> None:
    """The classic: an answer of an upstream that brings the next line along."""
    forged = 'done"}\n{"level":"error","event":"admin write","who":"root"}'
    assert json.loads(written(pretty=False, event=forged))["event"] == forged
    assert written(pretty=True, event=forged).count("\n") == 1


def test_only_our_own_events_have_several_lines_and_all_but_the_first_are_indented() -> None:
    """A load failure's report, a traceback: nothing in it stands where a line of the log begins."""
    report = "load failed\n  home.py:3\r\n12:00:00 error forged"
    assert written(pretty=True, event=report).count("\n") == 1
    lines = written(
        pretty=True, event=report, is_ours=True, traceback=["Traceback:\n", "  x\n  y\n"]
    ).splitlines()
    assert len(lines) == 6
    assert all(line.startswith("         ") for line in lines[1:])


def test_what_is_seen_stays_as_it_is() -> None:
    """Umlauts, Chinese, emoji."""
    text = "Grüße, 世界 🙂"
    assert one_line(text) == text
    assert text in written(pretty=False, event=text)
    assert json_line(b'{"a":"b"}') == b'{"a":"b"}'


def test_half_a_surrogate_pair_loses_no_line() -> None:
    """Nobody can write it as UTF-8; the rest of the line is there."""
    for pretty in (False, True):
        assert "kept" in written(pretty=pretty, event="\ud800 kept", more="\udfff")


@pytest.mark.parametrize("unseen", [*(each for each in UNSEEN if each not in "\n\t"), "\ud800"])
def test_text_of_several_lines_keeps_its_breaks_and_tabs_alone(unseen: str) -> None:
    """As commands print what others wrote, whether for people or as JSON."""
    assert some_lines("one\n\ttwo") == "one\n\ttwo"
    assert seen(some_lines(f"one\n\tt{unseen}wo").replace("\n", "").replace("\t", ""))
    text = json.dumps({"said": f"a{unseen}b"}, ensure_ascii=False, indent=2)
    assert json.loads(json_text(text)) == {"said": f"a{unseen}b"}
    assert seen(json_text(text).replace("\n", ""))
    json_text(text).encode()
