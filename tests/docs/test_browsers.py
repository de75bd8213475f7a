"""The page on browsers, followed to the letter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.docs.conftest import ROOT

if TYPE_CHECKING:
    from tests.docs.conftest import MakeReader


def test_a_reader_of_the_page_sees_what_it_says(reader: MakeReader) -> None:
    reader().follow(ROOT / "docs/how-to/browsers.md")
