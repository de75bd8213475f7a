"""Every kind of problem there is: what ``/problems/CODE`` explains, and what the OpenAPI document names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bff import errors
from bff.errors import BffError
from bff.revisions import archive, choice, release, traffic
from bff.revisions.store import failures as store
from bff.sdk import eventfailures, failures

BELOW = (errors, failures, eventfailures, archive, choice, release, traffic, store)
"""Imported for their error classes."""

_OF_CALLS = ("bff.errors", "bff.sdk.", "bff.revisions.")
"""Where the errors are that a call can end with; the others are the admin listener's and the commands'."""


def known() -> Mapping[str, type[BffError]]:
    """The error classes by code, in order, of all rooms that are imported."""
    found = {kind.code: kind for kind in _kinds(BffError) if "code" in vars(kind)}
    return dict(sorted(found.items()))


def of_calls() -> Mapping[str, type[BffError]]:
    """Those that a caller of the public listener can meet; the same whoever else is imported."""
    return {code: kind for code, kind in known().items() if kind.__module__.startswith(_OF_CALLS)}


def _kinds(root: type[BffError]) -> Iterator[type[BffError]]:
    yield root
    for kind in root.__subclasses__():
        yield from _kinds(kind)
