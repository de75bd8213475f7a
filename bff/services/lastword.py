"""The end of an answer that came over stock httpx: a connection on which a service said more is hung up on.

httpcore would keep it and take the rest (the body of a 204, say, or of an answer to HEAD) for the answer to the
next request, perhaps another caller's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from operator import attrgetter
from typing import Any

import httpx

# What was read and not used is h11's to tell, so this reaches through four private attributes; a transport
# without them (HTTP/2, one that a test hands in) is trusted.
_H11_STATE = attrgetter("_httpcore_stream._stream._connection._h11_state")
# What came and was not read yet is below: in anyio's queue, from which h11 has 64 KiB at a time, or in TLS,
# which gives one record (16 KiB) at a time. The socket is not readable then, which is all that httpcore asks.
_UNREAD = (attrgetter("_protocol.read_queue"), attrgetter("_read_bio.pending"))
_DECRYPTED = attrgetter("_ssl_object.pending")


class LastWord(httpx.AsyncByteStream):
    """An answer's body, whose connection is used again only if nothing follows it."""

    def __init__(self, answer: httpx.Response) -> None:
        self._stream: Any = answer.stream
        self._network = answer.extensions.get("network_stream")

    def __aiter__(self) -> AsyncIterator[bytes]:
        inner: AsyncIterator[bytes] = self._stream.__aiter__()
        return inner

    async def aclose(self) -> None:
        with suppress(AttributeError):
            state = _H11_STATE(self._stream)
            if state.trailing_data[0] or _holds_more(self._network):
                state.send_failed()  # h11's word for "never again": httpcore then closes the connection
        await self._stream.aclose()


def _holds_more(network: Any) -> bool:
    """Whether bytes came that nobody has read, in any of the layers of a connection."""
    stream = getattr(network, "_stream", None)
    while stream is not None:
        for unread in _UNREAD:
            with suppress(AttributeError):
                if unread(stream):
                    return True
        with suppress(AttributeError):
            if _DECRYPTED(stream)():
                return True
        stream = getattr(stream, "transport_stream", None)
    return False
