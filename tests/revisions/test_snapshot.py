"""A snapshot holds every file a function needs, and says in the author's words why it cannot be taken."""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from bff.revisions import snapshot
from bff.revisions.snapshot import MAX_BYTES
from tests.revisions.conftest import Folder

CAPABILITIES_V3 = 0x20080522
MAY_READ_ALL = 1 << 1 | 1 << 2  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH


@contextlib.contextmanager
def without_privilege() -> Iterator[None]:
    """For this thread, permissions hold: root may read everything only by capabilities(7), laid down here."""
    if os.geteuid() != 0:
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    head = (ctypes.c_uint32 * 2)(CAPABILITIES_V3, 0)
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable; twice
    assert libc.capget(head, sets) == 0
    effective = sets[0]
    sets[0] = effective & ~MAY_READ_ALL
    assert libc.capset(head, sets) == 0
    try:
        yield
    finally:
        sets[0] = effective
        assert libc.capset(head, sets) == 0


@pytest.mark.parametrize(
    "line",
    [
        "from ._shared import X",
        "from . import _shared",
        "from ._shared import *",
        "import _shared",
        "from _shared import X",
        "from functions._shared import X",
        "from functions import _shared",
        "import functions._shared as s",
    ],
)
def test_a_file_function_brings_what_it_imports(folder: Folder, line: str) -> None:
    """However it is imported, the shared file is in the copy; what nobody imports is not."""
    folder.write(home=line, _shared="X = 1", _other="Y = 2", second="")
    assert set(folder.take().files) == {"home.py", "_shared.py"}


def test_what_shared_files_import_follows(folder: Folder) -> None:
    """The closure is followed to its end, cycles included."""
    folder.write(home="from . import _a", _a="from . import _b", _b="from . import _a, _c", _c="import json")
    assert set(folder.take().files) == {"home.py", "_a.py", "_b.py", "_c.py"}


@pytest.mark.parametrize(
    "source",
    [
        "def handle():\n    from . import _shared",
        "try:\n    from . import _shared\nexcept ImportError:\n    _shared = None",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from _shared import X",
        "class A:\n    import _shared",
    ],
)
def test_imports_count_wherever_they_stand(folder: Folder, source: str) -> None:
    """Inside functions, try and TYPE_CHECKING: what a handler may need later is copied now."""
    folder.write(home=source, _shared="X = 1")
    assert "_shared.py" in folder.take().files


def test_an_optional_import_may_be_missing(folder: Folder) -> None:
    """A local file that is not there is no error until the import runs."""
    folder.write(home="try:\n    from . import _optional\nexcept ImportError:\n    _optional = None")
    taken = folder.take()
    assert set(taken.files) == {"home.py"}


def test_a_folder_function_is_copied_whole(folder: Folder) -> None:
    """Modules that are imported by name at run time, data, and what it imports from beside it."""
    folder.add(
        {
            "home/__init__.py": "from ..x import Y\nfrom .pkg.sub import z",
            "home/pkg/__init__.py": "",
            "home/pkg/sub.py": "z = 1",
            "home/late.py": "from .._deep import w",
            "home/data/rows.csv": "1,2",
            "home/my-script.py": "not imported, so not parsed (",
            "x.py": "Y = 1",
            "_deep.py": "w = 1",
            "y.py": "",
        }
    )
    taken = folder.take()
    assert set(taken.files) == {
        "home/__init__.py",
        "home/pkg/__init__.py",
        "home/pkg/sub.py",
        "home/late.py",
        "home/data/rows.csv",
        "home/my-script.py",
        "x.py",
        "_deep.py",
    }
    assert taken.folders == {"home.data"}
    assert taken.is_package("home")
    assert taken.is_package("home.data")
    assert not taken.is_package("home.late")


def test_a_shared_package_is_copied_whole(folder: Folder) -> None:
    """`_lib` may import its own parts by name, so all of it is there."""
    folder.add(
        {
            "home.py": "from ._lib import money",
            "_lib/__init__.py": "",
            "_lib/money.py": "",
            "_lib/late.py": "",
        }
    )
    assert set(folder.take().files) == {"home.py", "_lib/__init__.py", "_lib/money.py", "_lib/late.py"}


def test_a_folder_without_init_is_a_package_too(folder: Folder) -> None:
    """Namespace packages work as in Python: shared ones, and folders inside of a folder function."""
    folder.add({"home.py": "from ._lib.money import euros", "_lib/money.py": "euros = 1", "_lib/late.py": ""})
    folder.add({"page/__init__.py": "", "page/templates/mail.py": "X = 1", "page/templates/a/b.py": ""})
    assert set(folder.take().files) == {"home.py", "_lib/money.py", "_lib/late.py"}
    page = folder.take("page")
    assert page.modules["page.templates.mail"] == "page/templates/mail.py"
    assert page.folders == {"page.templates", "page.templates.a"}


def test_the_installed_package_wins(folder: Folder, stranger: str) -> None:
    """The functions folder is not on sys.path: an absolute name means the package, a relative one the file."""
    folder.write(
        home=f"import {stranger}", page=f"from . import {stranger}", friendly="", json="", mail="import json"
    )
    assert set(folder.take("home").files) == {"home.py"}
    assert set(folder.take("page").files) == {"page.py", "friendly.py"}
    assert set(folder.take("mail").files) == {"mail.py"}


def test_a_function_named_like_a_package_imports_the_package(folder: Folder, stranger: str) -> None:
    """`functions/calendar.py` may `import calendar` and get Python's, not itself."""
    folder.write(calendar="import calendar", friendly="from friendly import WHO")
    assert folder.module("calendar").calendar.monthrange(2026, 2) == (6, 28)
    assert folder.module("friendly").WHO == "installed"


def test_underscored_names_are_always_shared_code(folder: Folder) -> None:
    """`_json.py` in the folder is the author's, though Python has a private module of that name."""
    folder.write(home="from _json import mine", _json="mine = True")
    assert folder.module().mine is True


def test_the_folder_on_sys_path_changes_nothing(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where tests put the functions folder on sys.path, its files are still local and not installed."""
    monkeypatch.syspath_prepend(str(folder.root))
    folder.write(home="from shared import X", shared="X = 1")
    assert set(folder.take().files) == {"home.py", "shared.py"}


@pytest.mark.parametrize("name", ["home", "_lib"])
def test_a_folder_wins_over_a_file_of_the_same_name(folder: Folder, name: str) -> None:
    """As in Python: `_lib/__init__.py` hides `_lib.py`."""
    folder.add({"home.py": "from . import _lib", f"{name}/__init__.py": "from .. import _lib"})
    folder.add({"_lib.py": ""} if name == "home" else {})
    assert folder.take().modules[name] == f"{name}/__init__.py"


# What cannot be taken, and what is said of it


def test_a_missing_function_names_both_places(folder: Folder) -> None:
    """The operator reads where a file was looked for, and how to make one."""
    failure = folder.refused("nobody")
    assert failure.report() == (
        "no file functions/nobody.py or functions/nobody/__init__.py\n  remedy: create it with `bff new nobody`"
    )


def test_a_refused_import_names_line_and_remedy(folder: Folder) -> None:
    """A dotted plain import is told with file, line and what to write, in shared files too."""
    folder.add({"home.py": "from . import _a", "_a.py": "\n\nimport _lib.money\n", "_lib/__init__.py": ""})
    folder.add({"_lib/money.py": ""})
    assert folder.refused().report() == (
        "functions/_a.py:3: `import _lib.money` names a local file by a dotted absolute name\n"
        "  remedy: write `from ._lib import money`"
    )


@pytest.mark.parametrize("lazily", [False, True])
def test_a_syntax_error_names_file_line_and_column(folder: Folder, *, lazily: bool) -> None:
    """Also in a shared file, and in one that only a handler would import."""
    line = "def handle():\n    from . import _bad" if lazily else "from . import _bad"
    folder.write(home=line, _bad="x = 1\ny = (\n")
    failure = folder.refused()
    assert failure.where == "functions/_bad.py:2:5"
    assert failure.why == "SyntaxError: '(' was never closed\n    y = ("


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"x = 1\0", "null bytes"),
        (b"x = '\xe9'\n", "utf-8"),
        (b"# coding: nonsense\nx = 1\n", "nonsense"),
        (b"# coding: rot13\nk = 1\n", ""),
        (b"# coding: utf-16\nx = 1\n", ""),
        (b"\xef\xbb\xbf# coding: latin-1\nx = 1\n", ""),
        (b"\xff\xfex\x00=\x001\x00", ""),
    ],
)
def test_what_is_not_text_of_its_encoding_is_refused(folder: Folder, content: bytes, why: str) -> None:
    """NUL bytes, bytes that are not UTF-8, unknown or wrong coding cookies: told with the file."""
    failure = folder.add({"home.py": content}).refused()
    assert failure.where.startswith("functions/home.py:1")
    assert why in failure.why


@pytest.mark.parametrize(
    "content",
    [
        "# coding: latin-1\nX = 'é'\n".encode("latin-1"),
        b"\xef\xbb\xbfX = '\xc3\xa9'\n",
        "X = 'é'\r\n".encode(),
    ],
    ids=["latin-1", "BOM", "CRLF"],
)
def test_other_encodings_are_read_as_python_reads_them(folder: Folder, content: bytes) -> None:
    """A coding cookie, a byte order mark and Windows line ends."""
    folder.add({"home.py": content})
    assert folder.take().source("home").rstrip().endswith("X = 'é'")
    assert folder.module().X == "é"


@pytest.mark.parametrize("source", ["x = " + "(" * 3000 + ")" * 3000, "x = " + "-" * 200_000 + "1"])
def test_code_that_nests_too_deeply_is_refused(folder: Folder, source: str) -> None:
    """What the parser cannot hold is a failure of that file, not of the gateway."""
    assert folder.write(home=source).refused().where.startswith("functions/home.py:1")


def test_long_sums_are_fine(folder: Folder) -> None:
    """Generated tables nest deeper than Python's recursion goes, and run all the same."""
    folder.write(home="X = " + "+".join(["1"] * 800))
    assert folder.module().X == 800


def test_more_than_64_mib_are_refused(folder: Folder) -> None:
    """A folder of 65 MiB names the file that was too much, without being read whole."""
    folder.add({"home/__init__.py": ""})
    for number in range(2):
        with open(folder.root / "home" / f"{number}.bin", "wb") as file:
            file.truncate(MAX_BYTES // 2 + 512 * 1024)
    failure = folder.refused()
    assert failure.where == "functions/home/1.bin"
    assert "64 MiB" in failure.why
    assert "outside of the functions folder" in failure.remedy


def test_a_file_that_vanishes_between_listing_and_reading(folder: Folder) -> None:
    """What an editor removes at the wrong moment is told by its name; the next look finds the folder whole."""
    folder.add({"home/__init__.py": "", "home/a.txt": "x", "home/b.txt": "y"})
    taker = snapshot._Taker(folder.root, "home")
    listed = list(taker._walk("home", ()))
    os.unlink(folder.root / "home/b.txt")
    with pytest.raises(snapshot.FunctionNotLoaded) as caught:
        list(map(taker._read, listed))
    assert caught.value.report() == "functions/home/b.txt: cannot be read: No such file or directory"
    assert set(folder.take().files) == {"home/__init__.py", "home/a.txt"}


def test_a_folder_that_vanishes_while_it_is_listed(folder: Folder) -> None:
    """The same for a whole folder, of which nothing was listed yet."""
    folder.add({"home/__init__.py": "", "home/a.txt": "", "home/z/b.txt": "y"})
    listed = snapshot._Taker(folder.root, "home")._walk("home", ())
    assert next(listed) == "home/__init__.py"
    (folder.root / "home/z/b.txt").unlink()
    (folder.root / "home/z").rmdir()
    with pytest.raises(snapshot.FunctionNotLoaded, match="could not be loaded") as caught:
        list(listed)
    assert caught.value.report() == "functions/home/z: cannot be read: No such file or directory"


@pytest.mark.parametrize("name", ["home/secret.txt", "home/secret/x.txt"])
def test_what_may_not_be_read_is_named(folder: Folder, name: str) -> None:
    """Permission denied, with the file or folder."""
    folder.add({"home/__init__.py": "", name: "x"})
    closed = folder.root / "home" / name.split("/")[1]
    mode = closed.stat().st_mode
    closed.chmod(0)
    try:
        with without_privilege():
            failure = folder.refused()
    finally:
        closed.chmod(mode)
    assert failure.where.startswith("functions/home/secret")
    assert "Permission denied" in failure.why


def test_special_files_are_left_out(folder: Folder) -> None:
    """A socket or a pipe in the folder is not waited for."""
    folder.add({"home/__init__.py": ""})
    os.mkfifo(folder.root / "home/pipe")
    before = os.getcwd()
    os.chdir(folder.root / "home")  # a socket's address must be short
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("socket")
    finally:
        os.chdir(before)
    assert set(folder.take().files) == {"home/__init__.py"}


def test_names_that_are_not_utf_8_are_copied(folder: Folder) -> None:
    """A file system has names that are no text; they are data like others."""
    folder.add({"home/__init__.py": ""})
    with open(os.fsencode(folder.root) + b"/home/caf\xe9.txt", "w") as file:
        file.write("x")
    taken = folder.take()
    assert len(taken.files) == 2
    assert len(taken.digest) == 64


@pytest.mark.parametrize("name", ["a" * 300, "a." * 40 + "b"])
def test_a_name_no_file_can_have_is_no_file(folder: Folder, name: str) -> None:
    """Importing it fails when it runs, as in Python."""
    folder.write(home=f"try:\n    from .{name} import x\nexcept ImportError:\n    x = None")
    assert folder.module().x is None


# Symbolic links


def test_links_are_followed_and_their_bytes_copied(folder: Folder, tmp_path: Path) -> None:
    """A mounted configuration links every file, and shared code may lie outside: what is linked is copied."""
    (tmp_path / "common").mkdir()
    (tmp_path / "common/money.py").write_text("euros = 1")
    (tmp_path / "home.v1").write_text("from ._shared.money import euros")
    (folder.root / "_shared").symlink_to(tmp_path / "common")
    (folder.root / "home.py").symlink_to(tmp_path / "home.v1")
    taken = folder.take()
    assert set(taken.files) == {"home.py", "_shared/money.py"}
    (tmp_path / "common/money.py").write_text("euros = 2")
    assert folder.take().digest != taken.digest
    assert taken.source("_shared.money") == "euros = 1"


def test_a_link_that_leads_nowhere_is_left_out(folder: Folder) -> None:
    """Emacs's locks and files that moved away."""
    folder.add({"home/__init__.py": ""})
    (folder.root / "home/gone.txt").symlink_to("nothing")
    (folder.root / "home/self.txt").symlink_to("self.txt")
    assert set(folder.take().files) == {"home/__init__.py"}


def test_a_link_to_its_own_folder_is_refused(folder: Folder) -> None:
    """A loop is named, instead of being copied forty times."""
    folder.add({"home/__init__.py": "", "home/a/x.txt": ""})
    (folder.root / "home/a/again").symlink_to(folder.root / "home")
    failure = folder.refused()
    assert failure.report() == (
        "functions/home/a/again: is a link to a folder that it lies in\n  remedy: remove the link"
    )


def test_two_links_to_one_folder_are_no_loop(folder: Folder, tmp_path: Path) -> None:
    """The same data under two names is copied twice."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data/x.txt").write_text("x")
    folder.add({"home/__init__.py": ""})
    for name in ("a", "b"):
        (folder.root / "home" / name).symlink_to(tmp_path / "data")
    assert set(folder.take().files) == {"home/__init__.py", "home/a/x.txt", "home/b/x.txt"}


# What a change on disk concerns


def test_a_change_to_anything_in_it_concerns_a_snapshot(folder: Folder) -> None:
    """Its own files, shared ones, and new files in folders that are copied whole."""
    folder.add({"home/__init__.py": "from .._lib import x\nfrom .. import _one", "_lib/__init__.py": "x = 1"})
    folder.add({"_one.py": "", "_ns/a.py": "", "page.py": "from ._ns import a", "_data/x": ""})
    taken = folder.take()
    for path in ("home/__init__.py", "home/new/data.txt", "_lib/new.py", "_one.py", "_lib", "home"):
        assert taken.concerns(path), path
    for path in ("_two.py", "page.py", "_data/x", "home2.py", "_libs/x.py", "hom", "_ns/a.py"):
        assert not taken.concerns(path), path
    assert folder.take("page").concerns("_ns/b.py")


def test_a_file_that_would_have_been_taken_concerns_it(folder: Folder) -> None:
    """An optional import that appears, and a package that would hide a module, are changes."""
    folder.write(
        home="try:\n    from . import _optional\nexcept ImportError:\n    pass\nfrom . import _shared",
        _shared="",
    )
    taken = folder.take()
    assert taken.concerns("_optional.py")
    assert taken.concerns("_optional/__init__.py")
    assert taken.concerns("_shared/__init__.py")
    assert not taken.concerns("_optional/other.py")


def test_a_snapshot_says_what_it_is(folder: Folder) -> None:
    """For the person awake at three."""
    taken = folder.write(home="").take()
    assert repr(taken) == f"<Snapshot of home {taken.digest[:12]}: 1 files>"
