"""The raw Starlette request that a handler may ask for, with the route's body limit kept."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from python_multipart.exceptions import FormParserError
from starlette.datastructures import FormData
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request

from bff.errors import BadRequest, BodyTooLarge
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

    async def _get_form(self, *args: Any, **limits: Any) -> FormData:
        try:
            return await super()._get_form(*args, **limits)
        except (MultiPartException, FormParserError) as error:
            why = error.message if isinstance(error, MultiPartException) else "it is not url-encoded"
            raise BadRequest(f"The form cannot be read: {why.rstrip('.')}.") from None
        except UnicodeDecodeError:
            raise BadRequest("The form is not UTF-8.") from None


__all__ = ["BoundedRequest", "ClientDisconnect", "Request"]
