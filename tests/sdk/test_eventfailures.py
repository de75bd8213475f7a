"""Failures of what runs offline: one noun for every name that is none."""

from __future__ import annotations

import pytest

from bff.errors import problem
from bff.runtime.isolation.failures import described, rebuilt
from bff.sdk.eventfailures import BacklogFull, CallOpen, NoSuchName


def test_a_name_that_routes_yaml_lacks_is_refused_with_the_one_that_was_meant() -> None:
    """The kind is a member of its own, for programs; the sentence is for people."""
    told = problem(NoSuchName.declared("trigger", "mial", ["mail", "push"]))
    assert (told["code"], told["status"], told["kind"]) == ("no-such-name", 404, "trigger")
    assert told["detail"] == "routes.yaml has no trigger mial; did you mean mail?"
    assert str(NoSuchName.declared("pipeline", "models", [])) == "routes.yaml has no pipeline models."


def test_a_key_that_is_not_kept_is_refused_with_a_place_to_look() -> None:
    """Of a key as long as a caller likes, eighty characters come back."""
    told = problem(NoSuchName.kept("run", "k" * 1000, "; see the list."))
    assert (told["kind"], told["detail"]) == ("run", f"No run {'k' * 80} is kept; see the list.")


@pytest.mark.parametrize("error", [BacklogFull(7), CallOpen(), NoSuchName.kept("event", "a/1", ".")])
def test_it_is_the_same_failure_on_the_other_side_of_a_process(error: BacklogFull | NoSuchName) -> None:
    """A process function that catches ``BacklogFull`` around ``publish`` catches it, not a stand-in."""
    again = rebuilt(described(error))
    assert type(again) is type(error)
    assert (problem(again), dict(again.headers())) == (problem(error), dict(error.headers()))
