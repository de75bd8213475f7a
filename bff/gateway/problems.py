"""Every kind of problem there is: what ``/problems/CODE`` explains, and what the OpenAPI document names.

A kind is a class of :class:`BffError` with a ``code`` of its own, in one of the ``ROOMS``; a test walks the whole
package for those that are elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bff import errors
from bff.errors import BffError
from bff.gateway.door import failures as door
from bff.revisions import archive, choice, release, traffic
from bff.revisions.store import failures as store
from bff.sdk import eventfailures, failures

ROOMS = (errors, failures, eventfailures, door, archive, choice, release, traffic, store)
"""Where the errors are that the public listener can answer with; the admin listener has more of its own."""


def known() -> Mapping[str, type[BffError]]:
    """The classes by code, in order, of all rooms that are imported."""
    ours = (kind for kind in _kinds(BffError) if kind.__module__.startswith("bff."))
    return dict(sorted((kind.code, kind) for kind in ours if "code" in vars(kind)))


def of_calls() -> Mapping[str, type[BffError]]:
    """Those that a caller of the public listener can meet; the same whoever else is imported."""
    rooms = {room.__name__ for room in ROOMS}
    return {code: kind for code, kind in known().items() if kind.__module__ in rooms}


def _kinds(root: type[BffError]) -> Iterator[type[BffError]]:
    yield root
    for kind in root.__subclasses__():
        yield from _kinds(kind)
