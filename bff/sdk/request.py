"""The raw Starlette request that a handler may ask for, with the route's body limit kept."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

from starlette._utils import AwaitableOrContextManager, AwaitableOrContextManagerWrapper
from starlette.datastructures import FormData
from starlette.requests import ClientDisconnect, Request

from bff.errors import BodyTooLarge
from bff.sdk.forms import read_form
from bff.sdk.invocation import Incoming
from bff.sdk.json import loads


class BoundedRequest(Request):
    """A Starlette request whose stream, body and form stop at the route's limit."""

    def __init__(self, scope: Any, receive: Any, *, incoming: Incoming, body: bytes | None) -> None:
        super().__init__({**scope, "path_params": dict(incoming.path_params)}, receive)
        self._incoming = incoming
        if body is not None:
            self._body = body

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """The body in pieces as they arrive.

        Raises:
            BodyTooLarge: it announces or brings more than the route's limit.
            ClientDisconnect: the caller left in the middle.

        """
        if hasattr(self, "_body"):
            yield self._body
            yield b""
            return
        self._incoming.refuse_announced_excess()
        total = 0
        async for chunk in super().stream():
            total += len(chunk)
            if total > self._incoming.max_body:
                raise BodyTooLarge(self._incoming.max_body)
            yield chunk

    async def json(self) -> Any:
        """The body as JSON, read strictly.

        Raises:
            BadRequest: it is not JSON.

        """
        return loads(await self.body())

    def form(self, **limits: Any) -> AwaitableOrContextManager[FormData]:
        """The body as a form: ``max_fields``, ``max_files`` and ``max_part_size`` in place of the route's limits.

        Raises:
            BadRequest: it is no form, or no UTF-8.
            FormTooLarge: it has more or larger parts than it may.

        """
        return AwaitableOrContextManagerWrapper(self._get_form(**limits))

    async def _get_form(self, **limits: Any) -> FormData:
        if self._form is None:
            own = {_OURS.get(name, name): value for name, value in limits.items()}
            self._form = await read_form(self.headers, self.stream(), replace(self._incoming.forms, **own))
        return self._form


_OURS = {"max_part_size": "max_field"}

__all__ = ["BoundedRequest", "ClientDisconnect", "Request"]
