"""Pages for people at the admin listener: what its door wants of them. Made when the first is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from bff.admin.operation import Operation, Reply
from bff.config import Pattern
from bff.errors import BffError
from bff.gateway.router import Router

HOME = "/console"


class Face(Protocol):
    """What shows the gateway to people."""

    def operations(self) -> Iterable[Operation]:
        """Its pages."""

    def refusal(self, error: BffError) -> Reply:
        """A page that says what went wrong."""


def router_of(operations: Iterable[Operation]) -> Router[Operation]:
    """The table of these."""
    return Router.compiled(
        (Pattern.parse(operation.path), (operation.method,), operation) for operation in operations
    )


class Faces:
    """Where pages are. Mutable state: ``_face`` and ``_router``, made once."""

    def __init__(self, make: Callable[[], Face] | None) -> None:
        self._make = make
        self._face: Face | None = None
        self._router: Router[Operation] | None = None

    def has(self, path: str) -> bool:
        """Whether it is one of the pages' paths."""
        return self._make is not None and (path in ("/", HOME) or path.startswith(f"{HOME}/"))

    def router(self) -> Router[Operation]:
        """Their table."""
        if self._router is None:
            self._router = router_of(self._made().operations())
        return self._router

    def refusal(self, error: BffError) -> Reply:
        """A page that says what went wrong."""
        return self._made().refusal(error)

    def _made(self) -> Face:
        assert self._make is not None
        if self._face is None:
            self._face = self._make()
        return self._face
