"""Path templates: what they mean and which of them are refused."""

from __future__ import annotations

import re
from keyword import kwlist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bff.config import Pattern
from bff.config.pattern import Kind, Segment

STATIC = st.from_regex(r"[A-Za-z0-9_~!$&'()+,;=@.-]{1,8}", fullmatch=True).filter(
    lambda t: t not in (".", "..")
)
NAMES = st.from_regex(r"[a-z_][a-z0-9_]{0,5}", fullmatch=True).filter(lambda n: n not in kwlist)


@st.composite
def templates(draw: st.DrawFn) -> tuple[str, list[Segment]]:
    """A valid template and the segments it is made of."""
    names = draw(st.lists(NAMES, unique=True, max_size=4))
    segments = [Segment(Kind.PARAMETER, name) for name in names]
    segments += [Segment(Kind.STATIC, text) for text in draw(st.lists(STATIC, max_size=4))]
    segments = draw(st.permutations(segments))
    if segments and segments[-1].kind is Kind.PARAMETER and draw(st.booleans()):
        segments[-1] = Segment(Kind.WILDCARD, segments[-1].text)
    elif not segments or draw(st.booleans()):
        segments.append(Segment(Kind.STATIC, ""))
    written = {Kind.STATIC: "{}", Kind.PARAMETER: "{{{}}}", Kind.WILDCARD: "{{{}:path}}"}
    return "/" + "/".join(written[s.kind].format(s.text) for s in segments), segments


@given(templates())
def test_a_template_is_parsed_into_the_segments_it_was_made_of(made: tuple[str, list[Segment]]) -> None:
    template, segments = made
    pattern = Pattern.parse(template)
    assert list(pattern.segments) == segments
    assert pattern.template == str(pattern) == template
    assert list(pattern.parameters) == [s.text for s in segments if s.kind is not Kind.STATIC]


@given(templates())
def test_a_shape_forgets_the_names_and_nothing_else(made: tuple[str, list[Segment]]) -> None:
    template, _ = made
    pattern = Pattern.parse(template)
    renamed = Pattern.parse(re.sub(r"\{(\w+)", r"{\1_", template))
    assert renamed.shape == pattern.shape
    assert len(pattern.shape.split("/")) - 1 == len(pattern.segments)


@given(st.text(max_size=30))
def test_any_text_is_parsed_or_refused_with_a_sentence(text: str) -> None:
    try:
        outcome = Pattern.parse(text).template
    except ValueError as error:
        outcome = str(error)
    assert outcome == text or " " in outcome


def test_a_trailing_slash_makes_another_path() -> None:
    assert Pattern.parse("/a/").shape != Pattern.parse("/a").shape
    assert Pattern.parse("/a/").segments[-1] == Segment(Kind.STATIC, "")
    assert Pattern.parse("/").segments == (Segment(Kind.STATIC, ""),)


def test_shapes_tell_static_parameter_and_wildcard_apart() -> None:
    shapes = [Pattern.parse(t).shape for t in ("/a/x", "/a/{x}", "/a/{x:path}", "/{rest:path}")]
    assert shapes == ["/a/x", "/a/{}", "/a/{:path}", "/{:path}"]


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("", "begins with /"),
        ("api", "begins with /"),
        ("/a//b", "empty segment"),
        ("//", "empty segment"),
        ("/a/./b", "clients resolve it"),
        ("/a/..", "clients resolve it"),
        ("/a%20b", "percent-encoding"),
        ("/a?b=c", "query"),
        ("/a#b", "fragment"),
        ("/a b", "U+0020"),
        ("/a\tb", "U+0009"),
        ("/a\x00b", "U+0000"),
        ("/a\u00a0b", "U+00A0"),
        ("/a\u200bb", "U+200B"),
        ("/a\\b", "cannot hold"),
        ("/{a", "not closed"),
        ("/a}", "not closed"),
        ("/{a}{b}", "whole segment"),
        ("/{{a}}", "whole segment"),
        ("/x{a}", "whole segment"),
        ("/{a}.json", "whole segment"),
        ("/}a{", "whole segment"),
        ("/{}", "Python identifier"),
        ("/{1a}", "Python identifier"),
        ("/{user-id}", "Python identifier"),
        ("/{class}", "a word of Python"),
        ("/{a}/{a}", "stands twice"),
        ("/{a}/{a:path}", "stands twice"),
        ("/{a:path}/b", "must be the last"),
        ("/{a:path}/", "must be the last"),
        ("/{a:int}", "write {a}: a parameter's type comes from the function's signature"),
        ("/{a:}", "signature"),
        ("/a/*", "{rest:path}"),
        ("/:id", "{name}"),
        ("/<id>", "cannot hold <"),
    ],
)
def test_a_wrong_template_is_refused_with_what_to_write(template: str, why: str) -> None:
    with pytest.raises(ValueError, match=re.escape(why)):
        Pattern.parse(template)


@pytest.mark.parametrize(
    "template", ["/v1/things:batch", "/über", "/a.b", "/...", "/{用户}", "/a/{b}/c/{d:path}"]
)
def test_what_servers_accept_elsewhere_is_accepted(template: str) -> None:
    assert Pattern.parse(template).template == template
