"""Texts from the start for first calls: each once, and never more than there is room for."""

from __future__ import annotations

from pathlib import Path

from bff.revisions.snapshot import Snapshot, take
from bff.runtime.firstlook import FirstLook, Unwritten


def text(root: Path, name: str, size: int) -> Snapshot:
    (root / f"{name}.py").write_text("#" * size)
    return take(root, name)


def test_a_text_is_given_once(tmp_path: Path) -> None:
    """Without the seconds of a reading that was nobody's call."""
    look, taken = FirstLook(), text(tmp_path, "home", 10)
    look.keep(taken)
    kept = look.text("home")
    assert kept is not None
    assert (kept.digest, kept.waited, kept.took) == (taken.digest, 0.0, 0.0)
    assert look.text("home") is None
    assert look.text("other") is None


def test_what_there_is_no_room_for_is_read_again(tmp_path: Path) -> None:
    """By its first call; a text that was given, or is kept again, makes room."""
    look = FirstLook(most=100)
    for name, size in {"large": 101, "home": 60, "page": 60, "item": 40}.items():
        look.keep(text(tmp_path, name, size))
    assert look.text("large") is None
    assert look.text("page") is None
    look.keep(text(tmp_path, "home", 55))
    assert look.text("item") is not None
    look.keep(text(tmp_path, "page", 45))
    assert look.text("page") is not None
    assert look.text("home") is not None


def test_functions_are_settled_one_after_another() -> None:
    look = FirstLook()
    look.settle(["home"])
    look.settle(["page"])
    assert look.settled == {"home", "page"}


def test_what_is_put_off_is_of_the_start_only() -> None:
    """A function that is settled is published by who watches its folder."""
    look = FirstLook()
    look.put_off("home", None, "home-00001")
    look.settle(["page"])
    look.put_off("page", None, "page-00001")
    assert look.unwritten == {"home": Unwritten(taken=None, latest="home-00001")}
