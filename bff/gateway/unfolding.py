"""Pages that unfold: parts are sent as they come, and a last record tells what a head would have told.

The caller ends with exactly the JSON it would have had otherwise: what the handler returns is compared with what
was sent, and what is otherwise is sent again. Parts wait here for a caller who reads slowly, as a whole page
would; the handler's deadline is for making them.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json, to_json

from bff.clock import Clock, Expiry
from bff.errors import BffError, FunctionFailed, problem
from bff.gateway.incomplete import pointer
from bff.gateway.streaming import NO_STORE
from bff.gateway.target import Target
from bff.sdk import accept, framing
from bff.sdk.invocation import Invocation
from bff.sdk.page import Page
from bff.sdk.reply import JSON, Answer

if TYPE_CHECKING:
    from bff.gateway.sender import Sender

VARY = (b"vary", b"Accept")


class Unfolding:
    """One page on its way. Mutable state: ``_sent``, each member's JSON as told last; ``_records`` that wait to
    be written, and ``_writing``, the task that does so.
    """

    __slots__ = (
        "_clock",
        "_events",
        "_invocation",
        "_page",
        "_records",
        "_sender",
        "_sent",
        "_target",
        "_writing",
    )

    def __init__(
        self, sender: Sender, invocation: Invocation, target: Target, clock: Clock, *, media: str, page: Page
    ) -> None:
        self._sender = sender
        self._invocation = invocation
        self._target = target
        self._clock = clock
        self._page = page
        self._events = media == accept.EVENTS
        self._sent: dict[str, bytes] = {}
        self._records: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._writing: asyncio.Task[None] | None = None

    @property
    def has_begun(self) -> bool:
        """Whether there is a part: from then on the status is 200, whatever comes."""
        return self._writing is not None

    def given(self, name: str, value: Any) -> None:
        """A part that needed nobody goes along with the first that did."""
        told = self._page.member(name, value)
        if told is not None:
            self._tell(*told)

    def part(self, name: str, value: Any) -> None:
        """Send a part, if it can be told before the others."""
        told = self._page.member(name, value)
        if told is not None:
            self._tell(*told)
            if self._writing is None:
                self._writing = asyncio.create_task(self._write())

    async def finish(self, answer: Answer) -> None:
        """Send what is otherwise in the whole page, and the last record.

        Raises:
            FunctionFailed: what the handler returned is no such page.
            TimeoutError: the caller takes nothing more.

        """
        page = self._members(answer)
        for member, value in page.items():
            written = to_json(value)
            if member not in self._sent or to_json(from_json(self._sent[member])) != written:
                self._tell(member, written)
        for member in self._sent.keys() - page.keys():
            self._say(b"part", to_json({"part": member}))
        await self._ended(None)

    async def failed(self, error: BffError) -> bool:
        """Tell in the last record why there is no page; False where the caller can still be told by a status,
        or by nothing but an end.
        """
        if self._writing is None or self._writing.done():
            return False
        if not self._sender.started:  # not written yet, so it never was
            await self.aclose()
            return False
        try:
            await self._ended(error)
        except TimeoutError:
            return False
        return True

    async def aclose(self) -> None:
        """Stop writing."""
        if self._writing is not None and not self._writing.done():
            self._writing.cancel()
            await asyncio.wait({self._writing})

    def _members(self, answer: Answer) -> dict[str, Any]:
        value = from_json(answer.body) if answer.status == 200 and JSON in answer.headers else None
        if not isinstance(value, dict):
            what = "answered something other than the page whose parts it had sent"
            raise FunctionFailed(self._invocation.function, what)
        return value

    def _tell(self, member: str, written: bytes) -> None:
        self._sent[member] = written
        is_missing = member in (self._invocation.missing or ())
        flag = b',"missing":true' if is_missing else b""
        self._say(b"part", b'{"part":%b,"value":%b%b}' % (to_json(member), written, flag))

    def _say(self, kind: bytes, record: bytes) -> None:
        line = b"event: %b\ndata: %b\n\n" % (kind, record) if self._events else record + b"\n"
        self._records.put_nowait(line)

    async def _ended(self, error: BffError | None) -> None:
        self._say(b"end", to_json(self._last(error)))
        self._records.put_nowait(None)
        assert self._writing is not None
        await self._writing

    def _last(self, error: BffError | None) -> dict[str, Any]:
        """What headers would have said: completeness, what is missing and why, and a failure's problem document."""
        missing = self._invocation.missing or []
        said: dict[str, Any] = {"complete": not missing and error is None, "missing": missing}
        if missing and self._target.tells_errors:
            reasons = self._invocation.reasons
            said["errors"] = {pointer(part): dict(reasons.get(part, {})) for part in missing}
        if error is not None:
            said["problem"] = problem(error, instance=f"urn:request:{self._invocation.request_id}")
        return said

    async def _write(self) -> None:
        kind = framing.EVENTS if self._events else framing.NDJSON
        fields = [*kind.fields, NO_STORE, VARY]
        self._sender.add_own(fields, is_page=False, is_timed=False)
        self._sender.flush_smaller()
        await self._sender.begin(200, fields)
        while True:
            record = await self._records.get()
            with Expiry(self._clock, self._clock.now() + self._target.stream_idle_timeout):
                await self._sender.piece(record or b"", more=record is not None)
            if record is None:
                return
