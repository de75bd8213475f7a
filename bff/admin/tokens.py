"""Tokens are made, listed and taken away, and who wrote what can be read."""

from __future__ import annotations

import secrets

from bff.admin import catalogue
from bff.admin.bearer import minted
from bff.admin.keys import Scope
from bff.admin.operation import Asked, Operation, Reply, shown
from bff.admin.reading import BEFORE, LIMIT, MOST
from bff.admin.refusals import Busy
from bff.admin.shapes import AuditShape, NewTokenShape, TokenBody, TokenShape
from bff.clock import Clock
from bff.errors import NotFound
from bff.revisions.store.failures import StoreUnavailable
from bff.revisions.store.records import Token
from bff.revisions.store.store import Store

MOST_TOKENS = 1000


class Tokens:
    """The pages about tokens and the audit log. Immutable."""

    def __init__(self, *, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def operations(self) -> list[Operation]:
        """All of them."""
        return [
            Operation(
                name="listTokens",
                method="GET",
                path="/v1/tokens",
                says="The tokens that may be used, oldest first; never the tokens themselves.",
                run=self._list,
                answer=list[TokenShape],
            ),
            Operation(
                name="createToken",
                method="POST",
                path="/v1/tokens",
                says="Make a token. The answer shows it, and nothing ever will again.",
                run=self._create,
                scope=Scope.WRITE,
                body=TokenBody,
                answer=NewTokenShape,
                status=201,
                refusals=(StoreUnavailable,),
            ),
            Operation(
                name="revokeToken",
                method="DELETE",
                path="/v1/tokens/{id}",
                says="Take a token away, from its next use on.",
                run=self._revoke,
                scope=Scope.WRITE,
                status=204,
                refusals=(NotFound, StoreUnavailable),
            ),
            self._audited(),
        ]

    def _audited(self) -> Operation:
        return Operation(
            name="listAudit",
            method="GET",
            path="/v1/audit",
            says="The writes through this API, newest first.",
            run=self._audit,
            query=(LIMIT, BEFORE),
            answer=list[AuditShape],
        )

    async def _list(self, _: Asked) -> Reply:
        return shown([catalogue.token(each) for each in await self._store.tokens()])

    async def _create(self, asked: Asked) -> Reply:
        if len(await self._store.tokens()) >= MOST_TOKENS:
            raise Busy(f"There are {MOST_TOKENS} tokens already; revoke those that nobody uses.")
        token = minted()
        kept = Token(
            id=secrets.token_hex(6),
            name=asked.body.name,
            scopes=frozenset(str(scope) for scope in asked.body.scopes),
            created=self._clock.wall(),
        )
        await self._store.add_token(kept, token)
        told = catalogue.token(kept).model_dump(include={"id", "name", "scopes"})
        made = NewTokenShape(**told, created=kept.created, used=None, token=token)
        return shown(made, status=201, location=f"/v1/tokens/{kept.id}")

    async def _revoke(self, asked: Asked) -> Reply:
        if not await self._store.revoke_token(asked.params["id"]):
            raise NotFound("There is no token with this id; `bff token list` shows those there are.")
        return Reply(status=204)

    async def _audit(self, asked: Asked) -> Reply:
        limit, before = asked.query.get("limit", MOST), asked.query.get("before")
        return shown(catalogue.audit(await self._store.audited(limit=limit, before=before)))
