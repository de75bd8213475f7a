"""The reader who follows our pages looks closely: what differs from a page is found."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.docs.conftest import MakeReader


@pytest.mark.parametrize(
    ("shown", "is_seen"),
    [
        ("one\ntwo\n", True),
        ("one\n", False),
        ("one\ntwo\nthree\n", False),
        ("o…\ntwo\n", True),
        ("…\n", True),
        ("one\n…\ntwo\n", True),
        ("one\nt…x\n", False),
        ("", False),
    ],
)
def test_a_page_that_shows_something_else_fails(
    reader: MakeReader, tmp_path: Path, shown: str, is_seen: bool
) -> None:
    """``…`` stands for text within a line, or for lines; nothing else is forgiven."""
    page = tmp_path / "page.md"
    page.write_text(f"```console\n$ printf 'one\\ntwo\\n'\n{shown}```\n", "utf-8")
    if is_seen:
        reader().follow(page)
    else:
        with pytest.raises(AssertionError):
            reader().follow(page)


def test_a_page_may_write_files_and_change_folders(reader: MakeReader, tmp_path: Path) -> None:
    """Files lie below the folder the reader is in."""
    page = tmp_path / "page.md"
    page.write_text(
        "```console\n$ mkdir shop\n$ cd shop\n```\n```txt title=a/b.txt\nhere\n```\n"
        "```console\n$ cat a/b.txt\nhere\n```\n",
        "utf-8",
    )
    reader().follow(page)


def test_a_terminal_shows_its_lines_and_ends_with_ctrl_c(reader: MakeReader, tmp_path: Path) -> None:
    """What stays is ended by its own ^C."""
    page = tmp_path / "page.md"
    page.write_text("```console terminal=one\n$ echo up; exec sleep 60\nup\n^C\n```\n", "utf-8")
    reader().follow(page)
