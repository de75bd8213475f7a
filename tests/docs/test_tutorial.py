"""docs/tutorial.md can be followed word by word."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.docs.conftest import MakeReader

PAGE = Path(__file__).parents[2] / "docs/tutorial.md"


def test_who_follows_the_tutorial_sees_what_it_shows(reader: MakeReader) -> None:
    """From an empty folder: every file, every command in its terminal, every answer; nothing is left running."""
    reader().follow(PAGE)
