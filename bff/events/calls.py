"""Asynchronous calls as their callers see them: taken in, asked for, cancelled.

Whoever knows a call's id may ask for it: it cannot be guessed. A call of somebody who has shown who it is, though,
is shown to nobody else.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import AsyncIterator
from typing import Any

from pydantic_core import from_json, to_json

from bff.clock import Clock
from bff.events import callbacks, calling
from bff.events.accepting import CALL
from bff.events.broker import moment
from bff.events.records import OPEN, Delivery, Planned, Progress, Result, Shown, State
from bff.events.room import Events
from bff.sdk import framing
from bff.sdk.accept import EVENTS, streamed
from bff.sdk.eventfailures import CallConflict, CallOpen, NoSuchCall
from bff.sdk.invocation import Invocation
from bff.sdk.reply import JSON, Answer, StreamedItems
from bff.sdk.serversent import ServerSentEvent

LOOKS_EVERY = 0.25
"""Seconds between two looks at the store while somebody follows a call."""
NO_STORE = (b"cache-control", b"no-store")
_WORDS = {State.DELIVERED: "succeeded", State.DEAD: "failed"}


class Calls:
    """Immutable."""

    def __init__(self, events: Events, clock: Clock) -> None:
        self._events = events
        self._engine = events.engine
        self._clock = clock

    async def ask(self, invocation: Invocation) -> Answer:
        """Take in a call; 202 once it is on the disk, with its id and where to ask for it.

        Raises:
            BodyTooLarge, BacklogFull, StoreUnavailable: nothing was stored.
            CallbackRefused: it names an address that may not be called.
            CallConflict: its Idempotency-Key was that of another request.

        """
        incoming = invocation.incoming
        assert incoming is not None
        callback = callbacks.asked_for(incoming.scope["headers"], self._events.calling.config.callbacks)
        body = await incoming.body()
        key = next((value for name, value in incoming.scope["headers"] if name == b"idempotency-key"), b"")
        source = f"/calls/{invocation.function}/{_short(invocation.caller.identity)}"
        event = calling.event_of(
            invocation,
            body,
            number=_short(key.decode("latin-1")) if key else secrets.token_hex(16),
            source=source,
            callback=callback,
            withheld=self._events.calling.withheld,
        )
        planned = Planned(trigger=f"{calling.PREFIX}{invocation.function}", function=invocation.function)
        said = [event.data[name] for name in ("method", "raw_path", "query", "body")] + (
            [callback] * bool(callback)
        )
        digest = hashlib.sha256(to_json(said)).hexdigest()[:32]
        accepted = await self._events.plan(event, (planned,), digest)
        if not accepted.is_new and (await self._events.shown(accepted.key)).event.triggers != digest:
            raise CallConflict
        return self._accepted(accepted.key)

    def _accepted(self, key: str) -> Answer:
        where = f"{self._events.calling.config.path}/{key}"
        fields = [
            *(JSON, NO_STORE, (b"x-call-id", key.encode()), (b"location", where.encode())),
            (b"preference-applied", b"respond-async"),
        ]
        return Answer(202, fields, to_json({"id": key, "status": where, "result": f"{where}/result"}))

    async def status(self, invocation: Invocation) -> Answer:
        """How a call stands; with Accept: text/event-stream as it goes, until it has ended.

        Raises:
            NoSuchCall: there is none of this id, or it is somebody else's.

        """
        shown = await self._mine(invocation)
        assert invocation.incoming is not None
        if streamed(invocation.incoming.scope["headers"]) == EVENTS:
            items = StreamedItems(self._followed(shown), framing.EVENTS)
            return Answer(200, [NO_STORE], stream=items)
        told = await self._told(shown)
        fields = [JSON, NO_STORE]
        if told["state"] in ("waiting", "running"):
            fields.append((b"retry-after", b"1"))
        return Answer(200, fields, to_json(told))

    async def result(self, invocation: Invocation) -> Answer:
        """What the function answered.

        Raises:
            NoSuchCall: there is no such call, it was cancelled, or nothing was answered.
            CallOpen: it has not ended yet.

        """
        shown = await self._mine(invocation)
        delivery = shown.deliveries[0]
        if delivery.state in OPEN:
            raise CallOpen
        kept = await self._engine.result(delivery.key)
        if kept is None:
            raise NoSuchCall
        fields = [*kept.headers, NO_STORE]
        if kept.is_cut:
            fields.append((b"bff-cut", b"true"))
        return Answer(kept.status, fields, kept.body)

    async def cancel(self, invocation: Invocation) -> Answer:
        """End a call that has not ended, and tell how it stands then.

        Raises:
            NoSuchCall: there is none of this id, or it is somebody else's.

        """
        shown = await self._mine(invocation)
        if await self._engine.cancel(shown.event.key):
            self._events.dispatcher.cancel(shown.deliveries[0].key)
        return Answer(200, [JSON, NO_STORE], to_json(await self._told(await self._mine(invocation))))

    async def _mine(self, invocation: Invocation) -> Shown:
        assert invocation.incoming is not None
        shown = await self._engine.status(invocation.incoming.path_params["id"])
        if shown is None or shown.event.type != CALL or not shown.deliveries:
            raise NoSuchCall
        owner = from_json(shown.event.document)["data"]["caller"]
        if owner is not None and f"{owner['scheme']}:{owner['subject']}" != invocation.caller.identity:
            raise NoSuchCall
        return shown

    async def _told(self, shown: Shown) -> dict[str, Any]:
        delivery = shown.deliveries[0]
        progress = await self._engine.progress(delivery.key)
        result = None if delivery.state in OPEN else await self._engine.result(delivery.key)
        return _words_of(shown, delivery, progress, result, self._events.calling.config.path)

    async def _followed(self, shown: Shown) -> AsyncIterator[ServerSentEvent]:
        """Each change of a call as it comes, until it has ended."""
        last: dict[str, Any] | None = None
        while True:
            told = await self._told(shown)
            is_over = told["state"] not in ("waiting", "running")
            if told != last or is_over:
                yield ServerSentEvent(event="end" if is_over else "progress", data=told)
            if is_over:
                return
            last = told
            await self._clock.sleep(LOOKS_EVERY)
            shown = await self._engine.status(shown.event.key) or shown


def _short(text: str) -> str:
    """A text of any length and kind as one that an attribute can hold; "-" for nothing."""
    return hashlib.sha256(text.encode()).hexdigest()[:32] if text else "-"


def _words_of(
    shown: Shown, delivery: Delivery, progress: Progress | None, result: Result | None, path: str
) -> dict[str, Any]:
    said = None
    if progress is not None:
        said = {
            "done": progress.done,
            "total": progress.total,
            "note": progress.note,
            "at": moment(progress.at),
        }
    return {
        "id": shown.event.key,
        "function": delivery.function,
        "state": _WORDS.get(delivery.state, str(delivery.state)),
        "accepted": moment(shown.event.accepted),
        "attempts": delivery.attempts,
        "progress": said,
        "status": None if result is None else result.status,
        "result": None if result is None else f"{path}/{shown.event.key}/result",
    }
