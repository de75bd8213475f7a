"""Two revisions have one digest exactly when they are the same files under the same frozen settings."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bff.revisions import snapshot
from bff.revisions.snapshot import take
from tests.revisions.conftest import Folder


def test_the_same_text_has_the_same_digest(folder: Folder) -> None:
    """Saving without a change, or at another time, makes no new revision."""
    folder.write(home="from ._shared import X", _shared="X = 1")
    first = folder.take().digest
    folder.write(home="from ._shared import X")
    os.utime(folder.root / "home.py", (1, 1))
    assert folder.take().digest == first
    assert len(first) == 64


def test_where_the_folder_lies_does_not_matter(folder: Folder, tmp_path: Path) -> None:
    """The same files deployed on another machine are the same revision."""
    folder.write(home="from ._shared import X", _shared="X = 1")
    elsewhere = tmp_path / "elsewhere" / "functions"
    shutil.copytree(folder.root, elsewhere)
    assert take(elsewhere, "home").digest == folder.take().digest


@pytest.mark.parametrize("name", ["home/__init__.py", "home/data.bin", "home/lazy.py", "_shared.py"])
def test_any_byte_of_any_file_enters_it(folder: Folder, name: str) -> None:
    """Code, data, what is imported late and what is shared: one byte more is another revision."""
    folder.add(
        {"home/__init__.py": "from .._shared import X", "home/data.bin": b"\0", "home/lazy.py": "pass"}
    )
    folder.add({"_shared.py": "X = 1"})
    first = folder.take().digest
    path = folder.root / name
    path.write_bytes(path.read_bytes() + b"\n")
    assert folder.take().digest != first


def test_file_names_enter_it(folder: Folder) -> None:
    """The same bytes under another name are another revision."""
    folder.add({"home/__init__.py": "", "home/a.txt": "x"})
    first = folder.take().digest
    (folder.root / "home/a.txt").rename(folder.root / "home/b.txt")
    assert folder.take().digest != first


def test_frozen_settings_enter_it(folder: Folder) -> None:
    """The same files under another timeout are another revision."""
    folder.write(home="")
    digests = {folder.take(settings=each).digest for each in (b"", b'{"timeout": 1}', b'{"timeout": 2}')}
    assert len(digests) == 3


def test_settings_cannot_pass_for_files(folder: Folder) -> None:
    """Bytes of settings that look like a file in the digest are still settings."""
    folder.add({"home/__init__.py": "", "home/a": "x"})
    both = folder.take()
    (folder.root / "home/a").unlink()
    for forged in (b"\0home/a\x001\0x", b"home/a\x001\0x", b"home\x000\0home/a\x001\0x"):
        assert folder.take(settings=forged).digest != both.digest


def test_two_functions_with_the_same_files_are_two_revisions(folder: Folder) -> None:
    """Functions that import each other share every file; what is called differs."""
    folder.write(ping="from . import pong", pong="from . import ping")
    ping, pong = folder.take("ping"), folder.take("pong")
    assert dict(ping.files) == dict(pong.files)
    assert ping.digest != pong.digest


def test_what_is_left_out_does_not_enter_it(folder: Folder) -> None:
    """Editors, caches and other functions may write as they like."""
    folder.add({"home/__init__.py": "", "other.py": ""})
    first = folder.take()
    leftovers = [
        ".x.swp",
        ".hidden",
        "x.py~",
        "#x.py#",
        "x.swp",
        "x.swx",
        "x.pyc",
        "__pycache__/x.pyc",
        ".git/y",
    ]
    folder.add({f"home/{name}": "x" for name in leftovers}).add({"other.py": "x", "new.py": "y"})
    second = folder.take()
    assert second.digest == first.digest
    assert set(second.files) == {"home/__init__.py"}
    shutil.rmtree(folder.root / "home/__pycache__")  # as the fixture wants it


def test_under_other_settings_the_files_are_the_same(folder: Folder) -> None:
    """A changed timeout makes a revision of the kept files: the disk is not asked, nothing compiled again."""
    folder.write(home="X = 1")
    taken = folder.take(settings=b"a")
    folder.vanish()
    other = taken.under(b"b")
    assert other.digest != taken.digest
    assert other.under(b"a").digest == taken.digest
    assert (other.files, other.codes) == (taken.files, taken.codes)
    assert other.codes is taken.codes


NAMES = st.lists(
    st.text(
        st.characters(min_codepoint=1, max_codepoint=0x17F, exclude_characters="/"), min_size=1, max_size=4
    ),
    min_size=1,
    max_size=2,
).map("/".join)
SETS = st.dictionaries(NAMES, st.binary(max_size=6), max_size=3)
REVISIONS = st.tuples(st.sampled_from(["a", "b", "ab"]), SETS, st.binary(max_size=6))


@given(REVISIONS, REVISIONS)
@settings(max_examples=400)
def test_the_digest_is_injective(
    one: tuple[str, dict[str, bytes], bytes], other: tuple[str, dict[str, bytes], bytes]
) -> None:
    """Over sampled functions, file sets and settings: equal digests, equal everything."""
    same = snapshot.digest_of(one[0], one[1], one[2]) == snapshot.digest_of(other[0], other[1], other[2])
    assert same == (one == other)


FRAMES = st.lists(st.sampled_from([b"\0", b"1", b"a", b"/", b"2"]), max_size=6).map(b"".join)


@given(st.dictionaries(NAMES, FRAMES, min_size=1, max_size=3), FRAMES)
def test_moving_bytes_between_files_and_settings_shows(files: dict[str, bytes], frozen: bytes) -> None:
    """Bytes chosen to look like the digest's own framing cannot move from one part to the next unseen."""
    name = sorted(files)[0]
    moved = {**files, name: files[name] + frozen}
    assert (snapshot.digest_of("a", files, frozen) == snapshot.digest_of("a", moved, b"")) == (frozen == b"")
    rest = {key: value for key, value in files.items() if key != name}
    spelled = f"{name}\0{len(files[name])}\0".encode() + files[name]
    assert snapshot.digest_of("a", files, b"") != snapshot.digest_of("a", rest, spelled)
