"""What is there and what happened: one function, its revisions, what differs between two, its history."""

from __future__ import annotations

from bff.admin import catalogue
from bff.admin.desk import Describe, Functions, Unpack
from bff.admin.difference import compared
from bff.admin.operation import Asked, Operation, Query, Reply, shown
from bff.admin.shapes import (
    DiffShape,
    FunctionShape,
    HistoryShape,
    RevisionShape,
    TrafficShape,
    WholeRevisionShape,
)
from bff.config.names import suggest
from bff.errors import NotFound
from bff.revisions.store.failures import NoSuchRevision
from bff.revisions.store.store import Store

LIMIT = Query(name="limit", says="How many at most; 50 if absent.", kind=int, bounds=(1, 500))
BEFORE = Query(name="before", says="Only what is older than the one with this id.", kind=int)
MOST = 50


def function_of(functions: Functions, asked: Asked) -> str:
    """The name in the path, when there is such a function.

    Raises:
        NotFound: there is none; with the name that was probably meant.

    """
    return named(functions, asked.params["name"])


def named(functions: Functions, name: str) -> str:
    """The name, when there is such a function; raises as :func:`function_of` does."""
    known = functions()
    if name not in known:
        raise NotFound(f"There is no function {name[:80]}{suggest(name, known)}.".replace("?.", "?"))
    return name


class Reading:
    """The pages that only read. Immutable."""

    def __init__(self, *, functions: Functions, store: Store, unpack: Unpack, describe: Describe) -> None:
        self._functions = functions
        self._store = store
        self._unpack = unpack
        self._describe = describe

    def operations(self) -> list[Operation]:
        """All of them."""
        return [*self._of_functions(), *self._of_revisions()]

    def _of_functions(self) -> list[Operation]:
        one = "/v1/functions/{name}"
        return [
            Operation(
                name="getFunction",
                method="GET",
                path=one,
                says="One function as it stands, with its traffic and release.",
                run=self._function,
                answer=FunctionShape,
                refusals=(NotFound,),
            ),
            Operation(
                name="getTraffic",
                method="GET",
                path=f"{one}/traffic",
                says="Who gets the calls, in Knative's words; the ETag is what a change is based on.",
                run=self._traffic,
                answer=TrafficShape,
                refusals=(NotFound,),
            ),
            Operation(
                name="listHistory",
                method="GET",
                path=f"{one}/history",
                says="What happened to the traffic, newest first, with the numbers behind each verdict.",
                run=self._history,
                query=(LIMIT, BEFORE),
                answer=list[HistoryShape],
                refusals=(NotFound,),
            ),
        ]

    def _of_revisions(self) -> list[Operation]:
        one = "/v1/functions/{name}"
        return [
            Operation(
                name="listRevisions",
                method="GET",
                path=f"{one}/revisions",
                says="The revisions that are kept, newest first.",
                run=self._revisions,
                answer=list[RevisionShape],
                refusals=(NotFound,),
            ),
            Operation(
                name="getRevision",
                method="GET",
                path=f"{one}/revisions/{{revision}}",
                says="A revision with its files and settings.",
                run=self._revision,
                answer=WholeRevisionShape,
                refusals=(NotFound, NoSuchRevision),
            ),
            Operation(
                name="diffRevisions",
                method="GET",
                path=f"{one}/diff",
                says="What differs between two revisions: files, settings, what the handler takes and gives.",
                run=self._diff,
                query=(
                    Query(name="from", says="The older revision.", is_required=True),
                    Query(name="to", says="The newer revision.", is_required=True),
                ),
                answer=DiffShape,
                refusals=(NotFound, NoSuchRevision),
            ),
        ]

    async def _function(self, asked: Asked) -> Reply:
        name = function_of(self._functions, asked)
        state, release = await self._store.traffic(name), await self._store.release(name)
        more = {"traffic": catalogue.traffic(state), "release": catalogue.release(release).release}
        return shown(self._functions()[name].status() | more)

    async def _revisions(self, asked: Asked) -> Reply:
        name = function_of(self._functions, asked)
        state = await self._store.traffic(name)
        kept = await self._store.versions(name)
        return shown([catalogue.revision(each, state) for each in reversed(kept)])

    async def _revision(self, asked: Asked) -> Reply:
        name = function_of(self._functions, asked)
        kept, packed = await self._store.archive(name, asked.params["revision"])
        taken = await self._unpack(packed)
        return shown(catalogue.whole(kept, await self._store.traffic(name), taken.files))

    async def _diff(self, asked: Asked) -> Reply:
        name = function_of(self._functions, asked)
        before, after = asked.query["from"], asked.query["to"]
        return shown(await compared(self._store, self._unpack, self._describe, name, before, after))

    async def _traffic(self, asked: Asked) -> Reply:
        state = await self._store.traffic(function_of(self._functions, asked))
        return shown(catalogue.traffic(state), version=state.version)

    async def _history(self, asked: Asked) -> Reply:
        name = function_of(self._functions, asked)
        limit, before = asked.query.get("limit", MOST), asked.query.get("before")
        return shown(catalogue.history(await self._store.history(name, limit=limit, before=before)))
