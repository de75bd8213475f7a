"""Data files of a folder function are read through importlib.resources, from the snapshot."""

from __future__ import annotations

import importlib.resources
import pkgutil
import warnings
from importlib.resources.abc import Traversable
from pathlib import Path

import pytest

from bff.revisions.resources import MemoryFile, MemoryResources
from tests.revisions.conftest import Folder, module_of

FILES = {
    "home/__init__.py": "from importlib.resources import files\nroot = files(__package__)",
    "home/rows.csv": "a,é\n1,2\n",
    "home/picture.bin": bytes(range(256)),
    "home/data/deep/x.txt": "deep",
    "home/parts.py": "",
}


@pytest.fixture
def root(folder: Folder) -> Traversable:
    """What `files(__package__)` gives in a folder function, with nothing left on disk."""
    found: Traversable = folder.add(FILES).module().root
    folder.vanish()
    return found


def test_text_and_bytes_come_from_the_snapshot(root: Traversable) -> None:
    """Read long after the folder is gone."""
    assert (root / "rows.csv").read_text() == "a,é\n1,2\n"
    assert (root / "picture.bin").read_bytes() == bytes(range(256))
    assert root.joinpath("data", "deep/x.txt").read_text() == "deep"
    assert root.joinpath("data/./deep", "x.txt").name == "x.txt"


def test_files_open_as_text_and_as_bytes(root: Traversable) -> None:
    """As pathlib's: text by default, universal newlines, an encoding if one is named."""
    with (root / "rows.csv").open() as text:
        assert list(text) == ["a,é\n", "1,2\n"]
    with (root / "rows.csv").open("r", encoding="latin-1") as text:
        assert text.readline() == "a,Ã©\n"
    with (root / "rows.csv").open("rb") as content:
        assert content.read(3) == b"a,\xc3"


def test_a_folder_lists_what_is_in_it(root: Traversable) -> None:
    """Files and folders, each once, by name."""
    assert [each.name for each in root.iterdir()] == [
        "__init__.py",
        "data",
        "parts.py",
        "picture.bin",
        "rows.csv",
    ]
    assert [each.name for each in (root / "data").iterdir()] == ["deep"]
    assert [(each.is_dir(), each.is_file()) for each in root.iterdir()][:2] == [(False, True), (True, False)]


def test_what_is_missing_raises_as_a_path_would(root: Traversable) -> None:
    """FileNotFoundError names the file; a file is no folder."""
    with pytest.raises(FileNotFoundError, match=r"home/nothing\.txt"):
        (root / "nothing.txt").read_text()
    with pytest.raises(FileNotFoundError):
        (root / "nothing.txt").open()
    with pytest.raises(FileNotFoundError):
        (root / "data").read_bytes()
    for name in ("rows.csv", "nothing"):
        with pytest.raises(NotADirectoryError):
            list((root / name).iterdir())
    assert not (root / "nothing").is_file()
    assert not (root / "nothing").is_dir()


@pytest.mark.parametrize("mode", ["w", "a", "x", "r+", "wb"])
def test_a_revision_cannot_be_written(root: Traversable, mode: str) -> None:
    """It never changes: opening to write raises instead of writing to nowhere."""
    with pytest.raises(PermissionError, match="never changes"):
        (root / "rows.csv").open(mode)  # type: ignore[call-overload]


def test_nothing_outside_of_the_folder_can_be_reached(root: Traversable) -> None:
    """`..` is no way out: it is a name no file has."""
    assert not (root / ".." / "home" / "rows.csv").is_file()
    with pytest.raises(FileNotFoundError):
        (root / "../home/rows.csv").read_text()
    assert not (root / "/etc/passwd").is_file()


def test_as_file_gives_a_real_path_for_libraries_that_need_one(root: Traversable) -> None:
    """A temporary file, gone afterwards."""
    with importlib.resources.as_file(root / "picture.bin") as path:
        assert isinstance(path, Path)
        assert path.read_bytes() == bytes(range(256))
    assert not path.exists()


def test_the_older_functions_work_too(folder: Folder) -> None:
    """`open_text`, `read_binary` and `is_resource` are what older code calls."""
    package = folder.add(FILES).package()
    folder.vanish()
    module = package.module()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # deprecated in 3.11, taken back in 3.13
        assert importlib.resources.open_text(module, "rows.csv").readline() == "a,é\n"
        assert importlib.resources.read_binary(module, "picture.bin") == bytes(range(256))
        assert importlib.resources.is_resource(module, "rows.csv")


def test_folders_of_data_have_names_too(folder: Folder) -> None:
    """`files(f"{__package__}.data")` reads a folder without `__init__.py`, as for installed packages."""
    folder.add({**FILES, "home/__init__.py": "from importlib.resources import files\nhere = __package__"})
    here = folder.module().here
    folder.vanish()
    assert (importlib.resources.files(f"{here}.data") / "deep" / "x.txt").read_text() == "deep"
    assert (importlib.resources.files(f"{here}.data.deep") / "x.txt").read_text() == "deep"


def test_shared_packages_have_data_as_well(folder: Folder) -> None:
    """A package of shared code reads its own."""
    folder.add({"home.py": "from ._lib import text", "_lib/x.txt": "shared"})
    folder.add(
        {
            "_lib/__init__.py": "from importlib.resources import files\ntext = (files(__package__) / 'x.txt').read_text()"
        }
    )
    assert folder.module().text == "shared"


def test_two_revisions_read_their_own_data(folder: Folder) -> None:
    """An old revision never sees the new text."""
    old = folder.add(FILES).module()
    new = folder.add({"home/rows.csv": "new"}).module()
    assert (old.root / "rows.csv").read_text() != (new.root / "rows.csv").read_text() == "new"


def test_a_plain_module_reads_beside_itself(folder: Folder) -> None:
    """The reader of `home.parts` is that of the folder it lies in."""
    package = folder.add({**FILES, "home/__init__.py": "from . import parts"}).package()
    reader = package.get_resource_reader(module_of(package, "home.parts").__name__)
    assert (reader.files() / "rows.csv").is_file()


def test_a_file_function_has_no_data(folder: Folder) -> None:
    """Files beside it are not copied, so none of them can be read."""
    folder.add({"home.py": "", "rows.csv": "x"})
    assert set(folder.take().files) == {"home.py"}


def test_pkgutil_finds_no_file_to_read(folder: Folder) -> None:
    """`pkgutil.get_data` is not offered: it says so with None, as its documentation has it."""
    module = folder.add(FILES).module()
    assert pkgutil.get_data(module.__name__, "rows.csv") is None


def test_a_file_says_what_it_is() -> None:
    """For the person awake at three."""
    assert repr(MemoryResources({"home/x": b""}, "home").files() / "x") == "<MemoryFile home/x>"
    assert MemoryFile({}, "home").name == "home"
