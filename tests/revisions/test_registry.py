"""Revisions get names that count up, and the same files are the same revision."""

from __future__ import annotations

from bff.revisions.registry import KEPT, Registry
from bff.testing import ManualClock
from tests.revisions.conftest import Folder


def test_revisions_are_numbered_for_each_function(folder: Folder) -> None:
    """`home-00001`, `home-00002`; another function counts for itself."""
    registry = Registry(dev=False, clock=ManualClock(wall=5.0))
    folder.write(home="", page="")
    first = registry.publish(folder.take())
    second = registry.publish(folder.write(home="x = 1").take())
    page = registry.publish(folder.take("page"))
    assert [each.name for each in (first, second, page)] == ["home-00001", "home-00002", "page-00001"]
    assert registry.of("home") == (first, second)
    assert (first.created, first.function, first.digest) == (5.0, "home", first.snapshot.digest)


def test_dev_revisions_have_names_of_their_own(folder: Folder) -> None:
    """`home-dev-1`: ephemeral, and told apart at a glance."""
    registry = Registry(dev=True, clock=ManualClock())
    assert registry.publish(folder.write(home="").take()).name == "home-dev-1"


def test_a_known_digest_is_the_kept_revision(folder: Folder) -> None:
    """An undone change is the revision it was before, not a third one; the next change counts on."""
    registry = Registry(dev=True, clock=ManualClock())
    first = registry.publish(folder.write(home="x = 1").take())
    registry.publish(folder.write(home="x = 2").take())
    assert registry.publish(folder.write(home="x = 1").take()) is first
    assert registry.publish(folder.write(home="x = 3").take()).name == "home-dev-3"


def test_other_frozen_settings_are_another_revision(folder: Folder) -> None:
    """The same files under another timeout."""
    registry = Registry(dev=False, clock=ManualClock())
    taken = folder.write(home="").take()
    assert registry.publish(taken) is registry.publish(taken.under(b""))
    assert registry.publish(taken.under(b"other")).name == "home-00002"


def test_only_the_newest_are_kept(folder: Folder) -> None:
    """A day of saves does not fill the memory; names are never used twice."""
    registry = Registry(dev=True, clock=ManualClock())
    for number in range(KEPT + 5):
        registry.publish(folder.write(home=f"x = {number}").take())
    assert [each.name for each in registry.of("home")] == [f"home-dev-{n}" for n in range(6, KEPT + 6)]
    assert registry.publish(folder.write(home="x = 0").take()).name == f"home-dev-{KEPT + 6}"


def test_an_unknown_function_has_none() -> None:
    """Asking is harmless."""
    assert Registry(dev=False, clock=ManualClock()).of("nobody") == ()
