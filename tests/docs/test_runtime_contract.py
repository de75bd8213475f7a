"""docs/runtime-contract.md tells the truth: its functions load, and answer as it shows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.docs.conftest import MakeReader

PAGE = Path(__file__).parents[2] / "docs/runtime-contract.md"


def test_every_function_of_the_page_loads_and_answers_as_shown(reader: MakeReader) -> None:
    """Each example is a file of a real project, and each answer what the gateway said to it."""
    reader(has_curl=False).follow(PAGE, files_first=True)
