"""The token made at start: a file for its owner only, whole or not there, kept over restarts."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from bff.admin.localtoken import NAME, TokenFileUnusable, made, read


def test_it_is_made_once_and_found_again(tmp_path: Path) -> None:
    """Mode 0600 in a folder that is made if need be; the next gateway takes the same."""
    folder = tmp_path / "deep/.bff"
    token = made(folder)
    assert made(folder) == read(folder) == token
    assert stat.S_IMODE((folder / NAME).stat().st_mode) == 0o600
    assert [each.name for each in folder.iterdir()] == [NAME], "no draft stays"


def test_many_who_start_at_once_agree_on_one(tmp_path: Path) -> None:
    """Whoever comes second takes the first one's; nobody reads half a token."""
    found: list[str] = []
    starts = threading.Barrier(8)

    def start() -> None:
        starts.wait()
        found.append(made(tmp_path))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    assert len(found) == 8
    assert set(found) == {read(tmp_path)}


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_one_that_others_could_have_read_is_replaced(tmp_path: Path, mode: int) -> None:
    """It is no secret any more."""
    old = made(tmp_path)
    (tmp_path / NAME).chmod(mode)
    new = made(tmp_path)
    assert new != old
    assert stat.S_IMODE((tmp_path / NAME).stat().st_mode) == 0o600


def test_none_is_none(tmp_path: Path) -> None:
    """No file, no folder."""
    assert read(tmp_path) is None
    assert read(tmp_path / "nowhere") is None


@pytest.mark.parametrize("content", ["", "bff_short", "x" * 47, "bff_" + "ä" * 43, "../../etc/passwd"])
def test_what_is_no_token_is_never_sent(tmp_path: Path, content: str) -> None:
    """A file of that name with anything else in it is told, with its place."""
    (tmp_path / NAME).write_text(content, "utf-8")
    (tmp_path / NAME).chmod(0o600)
    with pytest.raises(TokenFileUnusable, match=NAME):
        read(tmp_path)


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """With its place and the reason; a file where the folder should be is one way to get there."""
    (tmp_path / ".bff").write_text("")
    with pytest.raises(TokenFileUnusable, match=r"admin-token cannot be"):
        made(tmp_path / ".bff")


def test_another_users_token_is_not_trusted(tmp_path: Path) -> None:
    """Who can write there could read what we send."""
    if os.geteuid() == 0:
        made(tmp_path)
        os.chown(tmp_path / NAME, 12345, -1)
    else:
        (tmp_path / NAME).symlink_to("/etc/passwd")
    with pytest.raises(TokenFileUnusable, match="another user"):
        read(tmp_path)
