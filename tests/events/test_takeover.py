"""Who is gone for certain."""

from __future__ import annotations

import os
import subprocess
import sys

from bff.events.takeover import former, gone, is_running

OWN = "box/10/aa"


def test_a_process_of_this_machine_that_is_no_more_is_gone() -> None:
    """One that had our process id before us too; who lives, we ourselves and other machines are not."""
    holders = [OWN, "box/11/bb", "box/12/cc", "box/10/dd", "other/11/ee", "", "box", "box/x/y", "a/box/11/ff"]
    assert gone(holders, OWN, lambda pid: pid == 12) == ["box/11/bb", "box/10/dd"]


def test_a_machine_may_have_any_name() -> None:
    assert gone(["a/b/11/bb"], "a/b/10/aa", lambda _: False) == ["a/b/11/bb"]


def test_processes_are_asked_for_by_their_id() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert is_running(os.getpid())
    assert is_running(1)
    assert not is_running(ended.pid)


def test_who_had_our_name_before_is_gone_wherever_it_was() -> None:
    """A name is one process's at a time."""
    holders = ["far/9/images", "far/9/other", OWN, "images", "box/7/aa"]
    assert former(holders, "near/1/images") == ["far/9/images"]
    assert former(holders, OWN) == ["box/7/aa"]
