"""Pages for people at the admin listener: what its door wants of them. Made when the first is asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Protocol

from bff.admin.operation import Operation, Reply
from bff.config import Pattern
from bff.errors import BffError
from bff.gateway.router import Router
from bff.runtime.threads import Threads

HOME = "/console"


class Face(Protocol):
    """What shows the gateway to people."""

    def prepare(self) -> None:
        """Do what the first page would wait for; not on the event loop."""

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
    """Where pages are. Mutable state: ``_face`` and ``_router``, made once, and ``_opening``, the lock over that."""

    def __init__(self, make: Callable[[], Face] | None) -> None:
        self._make = make
        self._opening = asyncio.Lock()
        self._face: Face | None = None
        self._router: Router[Operation] | None = None

    def has(self, path: str) -> bool:
        """Whether it is one of the pages' paths."""
        return self._make is not None and (path in ("/", HOME) or path.startswith(f"{HOME}/"))

    async def router(self) -> Router[Operation]:
        """Their table. The first who asks waits for what pages need: what has to be imported and compiled takes a
        tenth of a second, in a thread so that calls go on meanwhile.
        """
        if self._router is None:
            async with self._opening:
                if self._router is None:
                    await self._open()
        assert self._router is not None
        return self._router

    async def _open(self) -> None:
        thread = Threads("bff-console", 1)
        try:
            self._face, self._router = await thread.run(self._made)
        finally:
            thread.close()

    def _made(self) -> tuple[Face, Router[Operation]]:
        assert self._make is not None
        face = self._make()
        face.prepare()
        return face, router_of(face.operations())

    def refusal(self, error: BffError) -> Reply | None:
        """A page that says what went wrong; None while nobody was let in yet."""
        return None if self._face is None else self._face.refusal(error)
