"""New revisions: the files of a function arrive packed, and are published if they can serve."""

from __future__ import annotations

from bff.admin import catalogue
from bff.admin.desk import Desk, Functions
from bff.admin.keys import Scope
from bff.admin.operation import Asked, Operation, Query, Reply, shown
from bff.admin.reading import function_of
from bff.admin.refusals import Busy, RevisionRefused, UploadTimedOut
from bff.admin.shapes import PublishedShape
from bff.errors import BadRequest, BodyTooLarge, NotFound
from bff.revisions.archive import MAX_PACKED, ArchiveInvalid
from bff.revisions.store.failures import StoreUnavailable

ARCHIVE = "application/vnd.bff.archive"
"""What :mod:`bff.revisions.archive` packs."""
LONGEST_NOTE = 500


class Deploying:
    """The page that takes archives. Immutable."""

    def __init__(self, *, functions: Functions, desk: Desk) -> None:
        self._functions = functions
        self._desk = desk

    def operations(self) -> list[Operation]:
        """The one there is."""
        return [
            Operation(
                name="deploy",
                method="POST",
                path="/v1/functions/{name}/revisions",
                says=(
                    "Publish a revision: the files of the function, packed by `bff deploy` of the same version. "
                    "Files that were published before are the same revision again."
                ),
                run=self._deploy,
                scope=Scope.WRITE,
                query=(
                    Query(name="note", says="Why; for the listing."),
                    Query(name="tag", says="A tag that shall lead to it."),
                    Query(name="again", says="true: release it although a release took it back.", kind=bool),
                    Query(
                        name="traffic", says="false: no calls, whatever the release policy says.", kind=bool
                    ),
                ),
                upload=ARCHIVE,
                largest=MAX_PACKED,
                answer=PublishedShape,
                status=201,
                refusals=(
                    *(NotFound, BodyTooLarge, UploadTimedOut, BadRequest, ArchiveInvalid, RevisionRefused),
                    *(StoreUnavailable, Busy),
                ),
            )
        ]

    async def _deploy(self, asked: Asked) -> Reply:
        name = function_of(self._functions, asked)
        note = asked.query.get("note", "")
        if len(note) > LONGEST_NOTE:
            raise BadRequest(f"A note has at most {LONGEST_NOTE} characters.")
        made = await self._desk.deploy(
            name,
            asked.body,
            note=note,
            tag=asked.query.get("tag", ""),
            no_traffic=not asked.query.get("traffic", True),
            again=asked.query.get("again", False),
            who=asked.who.name,
        )
        # All of it as it was written down: what is asked of the store after that may fail, and nothing has.
        published = made.published
        answer = PublishedShape(
            revision=catalogue.revision(published, made.traffic),
            new=published.is_new,
            traffic=catalogue.traffic(made.traffic),
            release=catalogue.release(made.release).release,
        )
        where = f"/v1/functions/{name}/revisions/{published.name}"
        return shown(answer, status=201 if published.is_new else 200, location=where)
