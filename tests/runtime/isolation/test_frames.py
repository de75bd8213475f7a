"""Frames: whatever is cut however comes out as it went in, and what is no frame is refused."""

from __future__ import annotations

import ast
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from bff.runtime.isolation import frames
from bff.runtime.isolation.frames import Frames, FrameTooLarge, encoded

VALUES: Any = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats(allow_nan=False) | some.text(),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(), inner, max_size=3),
    max_leaves=5,
)


@given(
    sent=some.lists(
        some.tuples(
            some.text(min_size=1),
            some.dictionaries(some.text().filter(lambda key: key != "t"), VALUES, max_size=3),
            some.binary(max_size=50),
        ),
        max_size=5,
    ),
    sizes=some.lists(some.integers(1, 40), min_size=1),
)
def test_frames_survive_any_cutting(sent: list[tuple[str, dict[str, Any], bytes]], sizes: list[int]) -> None:
    """Whatever pieces the stream comes in."""
    stream = b"".join(encoded(*frame) for frame in sent)
    receiving, found, turn = Frames(), [], 0
    while stream:
        size = sizes[turn % len(sizes)]
        found += receiving.add(stream[:size])
        stream, turn = stream[size:], turn + 1
    assert found == sent


def test_half_a_surrogate_pair_and_an_infinity_cross() -> None:
    """Handlers' words need not be Unicode."""
    head = {"words": "half \ud800", "much": float("inf")}
    assert Frames().add(encoded("note", head, b"\xff")) == [("note", head, b"\xff")]


def test_an_announced_size_beyond_the_limit_is_refused_before_it_is_waited_for() -> None:
    """A stray byte must not make the gateway gather gigabytes."""
    with pytest.raises(ValueError, match="a frame of"):
        Frames().add(struct.pack("!II", 10, frames.MAX_BODY + 1))


def test_what_is_no_json_is_refused() -> None:
    """Only our own frames are believed."""
    with pytest.raises(ValueError, match="Expecting value"):
        Frames().add(struct.pack("!II", 1, 0) + b"x")


def test_a_body_beyond_the_limit_cannot_be_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """It fails where it is sent, with a sentence."""
    monkeypatch.setattr(frames, "MAX_BODY", 10)
    with pytest.raises(FrameTooLarge, match=r"a frame of \d+ \+ 11 bytes"):
        encoded("reply", {}, b"x" * 11)


def test_nothing_that_crosses_is_a_pickle() -> None:
    """Nor is anything of multiprocessing's used, which would make some. Said of every import of the room."""
    found: set[str] = set()
    for file in Path(frames.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module is not None:
                found.add(node.module.partition(".")[0])
    assert {"json", "struct"} <= found
    assert not found & {"pickle", "multiprocessing", "copyreg", "shelve", "concurrent"}
