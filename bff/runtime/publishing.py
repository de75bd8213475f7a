"""What a function asks of whoever keeps its revisions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from bff.revisions.revision import Revision

if TYPE_CHECKING:
    from bff.runtime.function import Function


class Publishing(Protocol):
    """Who knows a function's revisions, and which traffic is in force; asks the function to take it."""

    async def open(self, function: Function) -> None:
        """Route it for the first time in this process.

        Raises:
            FunctionNotLoaded: there is no revision that could serve.
            StoreUnavailable: nobody can tell.

        """

    async def refresh(self, function: Function) -> bool:
        """Look at the disk again; True when a new revision was published. A failure is told as a signal."""

    async def succeed(self, function: Function) -> bool:
        """Publish what serves under the present settings, where those are others than those last published; True
        when they were.
        """

    def shares(self, function: Function) -> Mapping[str, int]:
        """Percent by revision as far as it is known here; nothing where it is not."""

    async def kept(self, function: Function, name: str) -> Revision:
        """A revision that is kept, whatever its traffic.

        Raises:
            NoSuchRevision: it is not kept, or no longer.
            StoreUnavailable: it would have to be fetched, and cannot be.

        """
