"""Which process takes what."""

from __future__ import annotations

from bff.config import FunctionConfig
from bff.events.queues import EVERYTHING, Reach, known, reach_of

FUNCTIONS = {
    "resize": FunctionConfig(queue="images"),
    "mail": FunctionConfig(queue="mail"),
    "page": FunctionConfig(timeout="1s"),
}


def test_who_names_no_queues_takes_everything() -> None:
    assert reach_of(None, FUNCTIONS) == EVERYTHING


def test_who_names_queues_takes_their_functions_only() -> None:
    """The default queue also has what routes.yaml does not mention, so it is told by what is not in it."""
    assert reach_of(("images",), FUNCTIONS) == Reach(only=("resize",))
    assert reach_of((), FUNCTIONS) == Reach(only=())
    assert reach_of(("default", "images"), FUNCTIONS) == Reach(never=("mail",))


def test_every_queue_is_known() -> None:
    assert known(FUNCTIONS) == {"default", "images", "mail"}
