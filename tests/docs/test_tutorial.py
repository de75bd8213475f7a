"""The pages that can be followed word by word: the tutorial, and the reference pages with examples."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.docs.conftest import MakeReader

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.timeout(180)  # a page is some fifty commands, each a process of its own
@pytest.mark.parametrize("page", ["tutorial.md", "commands.md", "testing.md"])
def test_who_follows_a_page_sees_what_it_shows(reader: MakeReader, page: str) -> None:
    """From an empty folder: every file, every command in its terminal, every answer; nothing is left running."""
    reader().follow(DOCS / page)


@pytest.mark.timeout(240)
def test_pictures_go_on_after_kill_9_and_then_in_two_workers_over_postgresql(
    reader: MakeReader, postgres_url: str
) -> None:
    """The page about work offline; the address of a database is the reader's own."""
    reader(environ={"DATABASE": postgres_url}).follow(DOCS / "tutorial-offline.md")


@pytest.mark.timeout(300)  # what the page promises a newcomer
def test_a_newcomer_gets_from_a_deploy_to_an_automatic_rollback_in_five_minutes(reader: MakeReader) -> None:
    """The page about canaries, block by block: a real gateway, real visitors, a good revision and a bad one."""
    reader().follow(DOCS / "how-to/canary.md")


@pytest.mark.timeout(180)  # some forty commands, each a process
def test_every_function_of_the_runtime_contract_loads_and_answers_as_shown(reader: MakeReader) -> None:
    """Its examples are the files of one project; here without curl, so that our stand-in for it is tried too."""
    reader(has_curl=False).follow(DOCS / "runtime-contract.md", files_first=True)


def test_every_other_python_example_compiles() -> None:
    """Fragments are no files of a project; they are Python nevertheless, awaits at the top included."""
    import ast

    from_pages = [*DOCS.glob("*.md"), DOCS.parent / "README.md"]
    fragments = [text for page in from_pages for text in _fragments(page)]
    assert fragments
    for text in fragments:
        compile(text, "fragment", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)


def _fragments(page: Path) -> list[str]:
    pieces = page.read_text("utf-8").split("```python\n")[1:]
    return [piece.partition("```")[0] for piece in pieces]
