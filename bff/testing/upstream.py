"""httpx's way to a stubbed service: no socket, an answer from a stub."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from bff.testing.calls import StubCall, Unstubbed, listed
from bff.testing.patience import Patience

if TYPE_CHECKING:
    from bff.testing.stubs import StubService


class StubTransport(httpx.AsyncBaseTransport):
    """Writes each request down and gives what its stub says. Immutable; what it changes is the service's."""

    def __init__(
        self, service: StubService, url: str, unstubbed: list[Unstubbed], patience: Patience
    ) -> None:
        self._service = service
        self._prefix = httpx.URL(url).path.rstrip("/")
        self._unstubbed = unstubbed
        self._patience = patience

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        call = StubCall(
            service=self._service.name,
            method=request.method,
            path=request.url.path.removeprefix(self._prefix) or "/",
            params=listed(request.url.params),
            headers=dict(request.headers),
            content=await request.aread(),
        )
        try:
            reply = self._service.meet(call)
        except Unstubbed as missing:
            self._unstubbed.append(missing)
            raise
        if reply.hangs:
            await self._patience.hang()
        await self._patience.pass_time(reply.after)
        if reply.error is not None:
            raise reply.error if isinstance(reply.error, Exception) else reply.error("stubbed to fail")
        return httpx.Response(reply.status, headers=list(reply.headers), content=reply.content)
