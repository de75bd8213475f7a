"""YAML in: every place is right, every broken file gets one clear sentence, nothing hangs or crashes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from bff.config.document import parse
from bff.config.scalars import typed
from bff.config.tree import Mapping, Node, Scalar, Sequence, find


def tree(text: str) -> Node:
    root, mistakes = parse(text.encode(), "r.yaml")
    assert mistakes == []
    return root


def said(text: str | bytes) -> list[str]:
    _, mistakes = parse(text if isinstance(text, bytes) else text.encode(), "r.yaml")
    return [str(mistake) for mistake in mistakes]


def plain(node: Node) -> Any:
    """The texts of a tree, to compare shapes."""
    if isinstance(node, Scalar):
        return node.text
    if isinstance(node, Sequence):
        return [plain(item) for item in node.items]
    return {key: plain(entry.node) for key, entry in node.entries.items()}


@pytest.fixture(params=["libyaml", "python"])
def either_parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same promises hold where ruamel.yaml.clib could not be built."""
    if request.param == "python":
        monkeypatch.setattr("ruamel.yaml.main.CParser", None)


LINES = """\
a: 1
b:
  - x
  - {c: 2, d: [3, "é😀", z]}
e: |
  text
"""


@pytest.mark.usefixtures("either_parser")
def test_keys_and_values_have_their_own_places() -> None:
    root = tree(LINES)
    places = {
        ("a",): ((1, 1), (1, 4)),
        ("b",): ((2, 1), (3, 3)),
        ("b", 0): ((3, 5), (3, 5)),
        ("b", 1, "c"): ((4, 6), (4, 9)),
        ("b", 1, "d", 2): ((4, 25), (4, 25)),  # columns count characters, not bytes
        ("e",): ((5, 1), (5, 4)),
    }
    for path, (key, value) in places.items():
        place = find(root, path)
        assert (place.path, place.at_key, place.at_value) == (path, key, value)


def test_a_path_that_is_not_there_leads_to_its_deepest_part() -> None:
    root = tree(LINES)
    assert find(root, ("b", 1, "nope", "deeper")).path == ("b", 1)
    assert find(root, ("b", 9)).path == ("b",)
    assert find(root, ("a", "x")).path == ("a",)


@given(
    st.recursive(
        st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.text("abc", min_size=1, max_size=3), inner, max_size=3)
        ),
        max_leaves=12,
    ).map(lambda value: {"root": value})
)
def test_every_place_points_at_its_own_text(data: Any) -> None:
    """Written as JSON, which is YAML, each scalar begins exactly where its place says."""
    import json

    text = json.dumps(data, ensure_ascii=False, indent=1)
    if any(breaking in text for breaking in "\u2028\u2029\x85"):
        return  # libyaml counts these as line ends, editors do not
    lines = text.split("\n")

    def visit(node: Node, value: Any) -> None:
        written = lines[node.line - 1][node.column - 1 :]
        if isinstance(node, Scalar):
            assert written.startswith(json.dumps(value, ensure_ascii=False))
        elif isinstance(node, Sequence):
            assert written.startswith("[")
            for item, inner in zip(node.items, value, strict=True):
                visit(item, inner)
        else:
            assert written.startswith("{")
            for key, entry in node.entries.items():
                assert lines[entry.line - 1][entry.column - 1 :].startswith(json.dumps(key))
                visit(entry.node, value[key])

    root = tree(text)
    visit(root, data)
    assert plain(root) == data


@given(st.text(max_size=60) | st.binary(max_size=60))
def test_any_bytes_are_read_or_refused_with_a_place(data: str | bytes) -> None:
    raw = data if isinstance(data, bytes) else data.encode("utf-8", "surrogatepass")
    root, mistakes = parse(raw, "r.yaml")
    assert isinstance(root, Mapping | Sequence | Scalar)
    assert all(m.line >= 1 and m.column >= 1 and m.message for m in mistakes)


@pytest.mark.usefixtures("either_parser")
@pytest.mark.parametrize("text", ["", "# only a comment\n", "\ufeff", "---\n", "\n\n"])
def test_an_empty_file_has_no_mistakes(text: str) -> None:
    root = tree(text)
    assert plain(root) in ({}, "")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: [1, 2\nb: 3\n", "r.yaml:1:4: this list is not closed; a ',' or ']' is missing"),
        ("a: {b: 1\nc: 3\n", "r.yaml:1:4: this mapping is not closed; a ',' or '}' is missing"),
        (
            "a:\n\tb: 1\n",
            "r.yaml:2:1: a value cannot begin with this character; put it in quotes (tabs: use spaces)",
        ),
        (
            "a: b: c\n",
            "r.yaml:1:5: a ': ' cannot stand here; put the value in quotes or check the indentation",
        ),
        ("a: 'x\nb: 1\n", "r.yaml:1:4: this quote is never closed"),
        (
            'a: "\\q"\n',
            "r.yaml:1:5: this escape is not known; write the backslash twice or use single quotes",
        ),
        ("a: 1\nb\nc: 2\n", "r.yaml:3:1: a ':' is missing after this key"),
        ("a: 1\n  b: 2\n", "r.yaml:2:4: a ': ' cannot stand here"),
        ("- a\nb: 1\n", "r.yaml:2:1: this line is not indented like the list above it"),
        ("a: {b: ${X}}\n", "within {…} and […], a reference such as ${NAME} stands in quotes"),
        ("a: @x\n", "r.yaml:1:4: a value cannot begin with this character; put it in quotes"),
        ("%YAML 3.0\n---\na: 1\n", "routes.yaml is YAML 1.2; remove the %YAML line"),
        ("a: !foo!bar x\n", "tags are not used here"),
    ],
)
def test_broken_yaml_is_explained_at_its_place(text: str, expected: str) -> None:
    (line,) = said(text)
    assert expected in line


@pytest.mark.usefixtures("either_parser")
@pytest.mark.parametrize(
    "text", ["%TAG ! x\na: 1\n", "a: [", "a: 'x", "\t", "a: 1\n b: 2", "{a: ${B}}", "&a", "*", "? ", "!<"]
)
def test_both_parsers_refuse_what_is_broken_without_a_crash(text: str) -> None:
    root, mistakes = parse(text.encode(), "r.yaml")
    assert mistakes or plain(root) in ("", {"": ""})


@pytest.mark.usefixtures("either_parser")
def test_a_key_that_stands_twice_names_the_first_line() -> None:
    text = "a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\na: 2\n"
    assert said(text) == [
        "r.yaml:5:3: b.c: stands twice; the first is on line 3",
        "r.yaml:6:1: a: stands twice; the first is on line 1",
    ]


@pytest.mark.usefixtures("either_parser")
def test_anchors_aliases_and_merge_keys_work() -> None:
    text = "a: &a {x: 1, y: 2}\nb: *a\nc: {<<: *a, x: 9}\nd: {<<: [{x: 5}, *a], z: 3}\n'<<': {q: 1}\n"
    assert plain(tree(text)) == {
        "a": {"x": "1", "y": "2"},
        "b": {"x": "1", "y": "2"},
        "c": {"x": "9", "y": "2"},
        "d": {"x": "5", "y": "2", "z": "3"},
        "<<": {"q": "1"},
    }


@pytest.mark.usefixtures("either_parser")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: *nope\nb: &node 1\n", ["r.yaml:1:4: a: nothing above is &nope"]),
        ("common: &common 1\na: *comon\n", ["r.yaml:2:4: a: nothing above is &comon; did you mean common?"]),
        ("a: &a [*a]\n", ["r.yaml:1:8: a[0]: *a stands inside of what it stands for"]),
        ("a: &a {b: {c: *a}}\n", ["r.yaml:1:15: a.b.c: *a stands inside of what it stands for"]),
        ("a: {<<: 1}\n", ["r.yaml:1:5: a.<<: << merges mappings only, such as <<: *common"]),
        ("? [a]\n: 1\n", ["r.yaml:1:3: a key must be a word, not a list, a mapping or an alias"]),
        (
            "a: !!python/object:os.system x\n",
            ["r.yaml:1:4: a: tags are not used here, except !!str; remove it"],
        ),
        ("a: !!int 3\n", ["r.yaml:1:4: a: tags are not used here, except !!str; remove it"]),
        ("a: !!set {b}\n", ["r.yaml:1:4: a: tags are not used here; remove it"]),
        (
            "--- {a: 1}\n--- {b: 2}\n",
            ["r.yaml:2:1: a second document begins here; routes.yaml is one document"],
        ),
    ],
)
def test_what_routes_yaml_does_not_use_is_refused(text: str, expected: list[str]) -> None:
    assert said(text) == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"a: 1\nb: \xff\n", "r.yaml:2:4: byte 0xff is not UTF-8; save the file as UTF-8"),
        ("é: \xff".encode("latin-1"), "r.yaml:1:1: byte 0xe9 is not UTF-8; save the file as UTF-8"),
        (b"a: \x00\n", "r.yaml:1:4: a YAML file cannot hold the character U+0000"),
        ("a: 1\né: \x07".encode(), "r.yaml:2:4: a YAML file cannot hold the character U+0007"),
        ("a: 1".encode("utf-16"), "r.yaml:1:1: the file is UTF-16; save it as UTF-8"),
        (b"x" * (32 * 2**20 + 1), "r.yaml:1:1: the file is larger than 32 MiB"),
    ],
)
def test_bytes_that_are_not_text_are_refused_at_their_place(data: bytes, expected: str) -> None:
    assert said(data) == [expected]


@pytest.mark.usefixtures("either_parser")
@pytest.mark.parametrize("text", ["[" * 100_000, "{a: " * 100_000, "- " * 100_000, "a: " + "[" * 41])
def test_deep_nesting_ends_in_a_sentence(text: str) -> None:
    (line,) = said(text)
    assert "nested deeper than 40 levels" in line


def test_a_billion_laughs_are_refused_before_they_are_told() -> None:
    text = "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
    for name, before in zip("bcdefghijk", "abcdefghij", strict=True):
        text += f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n"
    (line,) = said(text)  # followed, they would take memory and minutes
    assert "stands for more than 2,000,000 values once its aliases are followed" in line


def test_a_billion_merges_are_refused_too() -> None:
    text = "a: &a {x: [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]}\n"
    for name, before in zip("bcdefghijk", "abcdefghij", strict=True):
        text += f"{name}: &{name} {{<<: [{', '.join([f'*{before}'] * 10)}]}}\n"
    (line,) = said(text)
    assert "stands for more than" in line


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None), ("~", None), ("null", None), ("Null", None), ("nULL", "nULL"),
        ("true", True), ("FALSE", False), ("tRUE", "tRUE"),
        ("yes", "yes"), ("no", "no"), ("on", "on"), ("off", "off"), ("y", "y"),
        ("12", 12), ("-3", -3), ("+3", 3), ("012", 12), ("0o17", 15), ("0x1F", 31), ("0b1", "0b1"), ("1_000", "1_000"),
        ("1.5", 1.5), (".5", 0.5), ("1.", 1.0), ("1e3", 1000.0), ("-1.5E-3", -0.0015), ("1e", "1e"), (".", "."),
        (".inf", float("inf")), ("-.INF", float("-inf")), ("1:30", "1:30"), ("2001-01-01", "2001-01-01"), ("-", "-"),
        ("٣", "٣"), ("9" * 5000, "9" * 5000),
    ],
)  # fmt: skip
def test_plain_scalars_follow_the_core_schema(text: str, value: object) -> None:
    assert typed(text) == value
    assert type(typed(text)) is type(value)


def test_not_a_number_is_not_a_number() -> None:
    assert str(typed(".nan")) == "nan"


@given(st.text("0123456789+-.eExoabcdfin~ultrs", max_size=8))
def test_integers_and_floats_agree_with_another_reader(text: str) -> None:
    """Where ruamel.yaml in YAML 1.2 mode and we both see an integer, it is the same one."""
    ours = typed(text)
    if type(ours) is int and text.strip("+-").isdecimal():
        assert ours == YAML(typ="safe", pure=True).load(text)
