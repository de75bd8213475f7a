"""What is kept of answers can be forgotten, by URL or by tag."""

from __future__ import annotations

from bff.admin.desk import Purge
from bff.admin.keys import Scope
from bff.admin.operation import Asked, Operation, Reply, shown
from bff.admin.shapes import PurgeBody, PurgedShape
from bff.errors import BadRequest


class Caching:
    """The page about the cache. Immutable."""

    def __init__(self, purge: Purge) -> None:
        self._purge = purge

    def operations(self) -> list[Operation]:
        """The one there is."""
        return [
            Operation(
                name="purgeCache",
                method="POST",
                path="/v1/cache/purge",
                says="Forget what is kept for a URL, or under a tag.",
                run=self._forget,
                scope=Scope.WRITE,
                body=PurgeBody,
                answer=PurgedShape,
                refusals=(BadRequest,),
            )
        ]

    async def _forget(self, asked: Asked) -> Reply:
        url, tag = asked.body.url, asked.body.tag
        if (url is None) == (tag is None):
            raise BadRequest("Name either a url or a tag.")
        count = self._purge(url=url) if url is not None else self._purge(tag=tag)
        return shown(PurgedShape(purged=count))
