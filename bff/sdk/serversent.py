"""Server-sent events: what a handler yields, and how it travels.

The format is the HTML standard's (https://html.spec.whatwg.org/multipage/server-sent-events.html, §9.2.5), the
names of the fields are too. What the word event means elsewhere in the house, a CloudEvent, has its own file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_json

_LINE_BREAK = re.compile(r"\r\n|\r|\n")
_NO_FIELD = re.compile(r"[\r\n\0]")
HEARTBEAT = b":\n\n"
"""A comment: it keeps proxies from closing a silent answer, and no browser tells its page of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSentEvent:
    """One event for an ``EventSource``. A handler that yields these answers ``text/event-stream``::

        async def handle(ctx: Context) -> AsyncIterator[ServerSentEvent]:
            async for price in prices(after=ctx.last_event_id):
                yield ServerSentEvent(event="price", id=price.id, data=price)

    ``data`` is text, or anything that can be written as JSON; None sends none, and browsers then tell nobody.
    ``event`` is the name listeners go by (``message`` without one), ``id`` what the browser sends as
    ``Last-Event-ID`` when it comes back, ``retry`` after how many milliseconds it does, ``comment`` is for who
    reads along.

    Raises:
        ValueError: a line break in ``event`` or ``id``, which would begin another field; a ``retry`` below 0.

    """

    data: Any = None
    event: str = ""
    id: str = ""
    retry: int | None = None
    comment: str = ""

    def __post_init__(self) -> None:
        for name in ("event", "id"):
            if _NO_FIELD.search(getattr(self, name)):
                raise ValueError(f"{name} of a server-sent event has a line break or NUL in it")
        if self.retry is not None and self.retry < 0:
            raise ValueError(f"retry of a server-sent event is {self.retry}, and time does not run backwards")

    def encode(self) -> bytes:
        """The event as it travels, with the empty line that ends it."""
        lines = [f": {line}" for line in _LINE_BREAK.split(self.comment)] if self.comment else []
        if self.event:
            lines.append(f"event: {self.event}")
        if self.id:
            lines.append(f"id: {self.id}")
        if self.retry is not None:
            lines.append(f"retry: {self.retry:d}")
        if self.data is not None:
            lines += [f"data: {line}" for line in _LINE_BREAK.split(_text(self.data))]
        return "\n".join([*lines, "", ""]).encode("utf-8", "replace")


def _text(data: Any) -> str:
    return data if isinstance(data, str) else to_json(data, by_alias=True, inf_nan_mode="null").decode()
