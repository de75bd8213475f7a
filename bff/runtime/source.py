"""A function's text in the functions folder: how it is read, and which revision has it."""

from __future__ import annotations

from pathlib import Path

from bff.errors import FunctionNotLoaded
from bff.revisions.revision import Revision
from bff.revisions.snapshot import Snapshot
from bff.runtime import warmup
from bff.runtime.settings import Settings
from bff.runtime.warmup import Workshop


class Source:
    """Mutable state: ``newest``, the revision whose text is the one on the disk, as far as is known; ``failure``,
    why the newest text cannot serve.
    """

    __slots__ = ("_is_dev", "_root", "failure", "function", "newest")

    def __init__(self, function: str, root: Path, *, is_dev: bool) -> None:
        self.function = function
        self.newest: Revision | None = None
        self.failure: FunctionNotLoaded | None = None
        self._root = root
        self._is_dev = is_dev

    async def read(self, settings: Settings, workshop: Workshop) -> Snapshot:
        """The files as they are now.

        Raises:
            FunctionNotLoaded: they are no function.

        """
        try:
            return await warmup.read(self._root, self.function, settings, workshop)
        except FunctionNotLoaded as failure:
            self.failure = failure
            raise

    def came(self, revision: Revision) -> None:
        """A revision is made ready: a save in dev is the text on the disk."""
        if self._is_dev or self.newest is None:
            self.newest = revision

    def has_real_paths(self, revision: Revision) -> bool:
        """Only the newest dev revision: its text and the file on disk are the same."""
        return self._is_dev and revision is self.newest

    def depends_on(self, changed: set[str]) -> bool:
        """Whether a change to these files (relative to the functions folder) may concern it; what has failed may
        be mended by any.
        """
        own = (f"{self.function}.py", f"{self.function}/")
        if self.failure is not None or any(path == own[0] or path.startswith(own[1]) for path in changed):
            return True
        return self.newest is not None and any(map(self.newest.snapshot.concerns, changed))
