"""A snapshot survives as bytes: what comes back runs as what was taken, without the folder it came from."""

from __future__ import annotations

import json
import random
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bff.errors import FunctionNotLoaded
from bff.revisions import archive, snapshot
from bff.revisions.archive import ArchiveInvalid, packed, unpacked
from bff.revisions.loader import Loader
from bff.revisions.revision import Revision
from bff.revisions.snapshot import Snapshot
from tests.revisions.conftest import Folder

MAGIC = b"bff-archive 1\n"


def loaded(loader: Loader, taken: Snapshot) -> Any:
    return loader.load(Revision("home-00001", "home", taken, 0.0), real_paths=False).module()


@pytest.fixture
def shop(folder: Folder) -> Folder:
    """A folder function with data, shared code, a namespace folder and rewritten absolute imports."""
    return folder.add(
        {
            "home/__init__.py": """\
                import json
                from importlib.resources import files

                import _shared
                from _shared import money
                from functions._plain import part

                from . import parts


                def handle():
                    text = files(__package__).joinpath("data/words.txt").read_text()
                    return [money.euros(3), part.NAME, parts.HERE, text, json.dumps(_shared.WHO)]
                """,
            "home/parts.py": "HERE = __name__.rpartition('.')[2]\n",
            "home/data/words.txt": "w\u00f6rter",
            "home/data/blob.bin": bytes(range(256)),
            "_shared/__init__.py": "WHO = 'shared'\n",
            "_shared/money.py": "def euros(n):\n    return f'{n} \u20ac'\n",
            "_plain/part.py": "NAME = 'part'\n",
        }
    )


def test_what_comes_back_runs_without_its_folder(shop: Folder) -> None:
    """Every file, rewritten imports and data included; from memory alone."""
    bytes_ = packed(shop.take(settings=b'{"timeout": 1.0}'))
    shop.vanish()
    back = unpacked(bytes_, shop.root)
    module = loaded(shop.loader, back)
    assert module.handle() == ["3 \u20ac", "part", "parts", "w\u00f6rter", '"shared"']


def test_what_comes_back_is_what_was_taken(shop: Folder) -> None:
    taken = shop.take(settings=b'{"timeout": 1.0}')
    back = unpacked(packed(taken), shop.root)
    for name in ("function", "digest", "settings", "folders"):
        assert getattr(back, name) == getattr(taken, name), name
    assert dict(back.files) == dict(taken.files)
    assert dict(back.modules) == dict(taken.modules)
    assert back.trees.keys() == taken.trees.keys()
    assert not back.concerns("home.py"), "no file on the disk makes it another one"
    assert back.under(b"{}").digest == shop.take(settings=b"{}").digest


def test_the_same_snapshot_is_the_same_bytes(shop: Folder) -> None:
    """Whatever order files were found in; and packing what came back gives them again."""
    taken = shop.take()
    bytes_ = packed(taken)
    assert packed(shop.take()) == bytes_
    assert packed(unpacked(bytes_, Path("/elsewhere/functions"))) == bytes_
    shuffled = list(taken.files.items())
    random.Random(4).shuffle(shuffled)
    backwards = Snapshot(
        *(taken.function, taken.root, dict(shuffled), dict(reversed(list(taken.modules.items())))),
        *(taken.folders, taken.watched, taken.digest, taken.trees),
    )
    assert packed(backwards) == bytes_


def test_source_is_compressed(folder: Folder) -> None:
    folder.write(home="def handle():\n    return 1\n" + "# a line of words that repeats itself\n" * 2_000)
    assert len(packed(folder.take())) < 2_000


def test_any_flipped_bit_shows(shop: Folder) -> None:
    """Bytes that rotted on a disk are refused, never run."""
    bytes_ = packed(shop.take())
    for at in random.Random(1).sample(range(len(bytes_) * 8), 200):
        damaged = bytearray(bytes_)
        damaged[at // 8] ^= 1 << at % 8
        with pytest.raises(ArchiveInvalid):
            unpacked(bytes(damaged), shop.root)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300), st.booleans())
def test_no_bytes_do_worse_than_being_refused(noise: bytes, compressed: bool) -> None:
    content = MAGIC + (zlib.compress(noise) if compressed else noise)
    with pytest.raises(ArchiveInvalid):
        unpacked(content, Path("functions"))


def test_an_archive_that_is_cut_off_or_followed_by_more_is_refused(shop: Folder) -> None:
    bytes_ = packed(shop.take())
    for wrong in (bytes_[:-1], bytes_[: len(bytes_) // 2], bytes_ + b"x", b"", MAGIC):
        with pytest.raises(ArchiveInvalid, match="pack it again"):
            unpacked(wrong, shop.root)


def forged(body: bytes = b"", **changes: Any) -> bytes:
    """An archive of one file with parts of its head replaced, and a digest that fits."""
    files = {"home.py": b"def handle(): ..."}
    head: dict[str, Any] = {
        "function": "home",
        "settings": "",
        "modules": {"home": "home.py"},
        "folders": [],
        "files": [["home.py", len(files["home.py"])]],
        "digest": snapshot.digest_of("home", files, b""),
    } | changes
    text = json.dumps(head).encode()
    return MAGIC + zlib.compress(b"%d\n" % len(text) + text + (body or files["home.py"]))


def test_a_forged_one_is_taken_only_if_it_fits_its_digest() -> None:
    assert unpacked(forged(), Path("functions")).function == "home"


@pytest.mark.parametrize(
    "changes",
    [
        {"digest": "0" * 64},
        {"settings": "other"},
        {"function": "news"},
        {"modules": {"home": "elsewhere.py"}},
        {"modules": ["home"]},
        {"files": [["home.py", 1]]},
        {"files": [["home.py", -17]]},
        {"files": [["home.py", True]]},
        {"files": [["../home.py", 17]]},
        {"files": [["/etc/home.py", 17]]},
        {"files": [["a//home.py", 17]]},
        {"files": [[7, 17]]},
        {"files": 7},
        {"folders": [1]},
        {"digest": None},
    ],
)
def test_a_head_that_lies_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ArchiveInvalid) as caught:
        unpacked(forged(**changes), Path("functions"))
    assert (caught.value.status, caught.value.fault) == (422, "caller")


def test_one_that_unpacks_to_too_much_is_refused_before_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gigabyte of zeros is a megabyte on the wire."""
    monkeypatch.setattr(archive, "MAX_PACKED", 100_000)
    bomb = MAGIC + zlib.compress(b"0" * 50_000_000)
    with pytest.raises(ArchiveInvalid, match="unpacks to more than"):
        unpacked(bomb, Path("functions"))


def test_text_that_this_python_cannot_read_is_told_with_its_line(folder: Folder) -> None:
    """Taken by a newer Python, say."""
    text = b"def handle():\n    match = 1 ?\n"
    bytes_ = forged(
        text, digest=snapshot.digest_of("home", {"home.py": text}, b""), files=[["home.py", len(text)]]
    )
    with pytest.raises(FunctionNotLoaded) as caught:
        unpacked(bytes_, folder.root)
    assert caught.value.where.startswith("functions/home.py:2")
