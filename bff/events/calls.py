"""Asynchronous calls as their callers see them: taken in, asked for, cancelled.

Whoever knows a call's id may ask for it: it cannot be guessed. A call of somebody who has shown who it is, though,
is shown to nobody else.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from functools import partial
from typing import Any

from pydantic_core import from_json, to_json

from bff.events import callbacks, calling
from bff.events.accepting import CALL
from bff.events.broker import moment
from bff.events.following import Followed, heard
from bff.events.records import OPEN, Planned, Progress, Shown, Standing, State
from bff.events.room import Events
from bff.sdk import framing
from bff.sdk.accept import EVENTS, streamed
from bff.sdk.eventfailures import CallConflict, CallOpen, NoSuchCall
from bff.sdk.invocation import Invocation
from bff.sdk.reply import JSON, Answer, StreamedItems
from bff.sdk.serversent import ServerSentEvent

NO_STORE = (b"cache-control", b"no-store")
_WORDS = {State.DELIVERED: "succeeded", State.DEAD: "failed"}


class Calls:
    """Immutable."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._engine = events.engine

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
            TooManyFollow: it cannot be followed now; without that header it can be asked for.

        """
        key = (await self._mine(invocation)).event.key
        assert invocation.incoming is not None
        headers = invocation.incoming.scope["headers"]
        if streamed(headers) == EVENTS:
            return await self._followed(key, headers)
        told = await self._told(key)
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
        return Answer(200, [JSON, NO_STORE], to_json(await self._told(shown.event.key)))

    async def _mine(self, invocation: Invocation) -> Shown:
        assert invocation.incoming is not None
        shown = await self._engine.status(invocation.incoming.path_params["id"])
        if shown is None or shown.event.type != CALL or not shown.deliveries:
            raise NoSuchCall
        if not shown.deliveries[0].trigger.startswith(calling.PREFIX):  # anybody may send events of this type
            raise NoSuchCall
        owner = from_json(shown.event.document)["data"]["caller"]
        if owner is not None and f"{owner['scheme']}:{owner['subject']}" != invocation.caller.identity:
            raise NoSuchCall
        return shown

    async def _told(self, key: str) -> dict[str, Any]:
        standing = await self._engine.call(key)
        if standing is None:
            raise NoSuchCall
        return _words_of(standing, self._path)

    @property
    def _path(self) -> str:
        return self._events.calling.config.path

    async def _followed(self, key: str, headers: Sequence[tuple[bytes, bytes]]) -> Answer:
        """Each change of a call as it comes, until it has ended; 204 to who has heard of the end, which tells an
        ``EventSource`` to ask no more (WHATWG HTML §9.2.3).
        """
        said = next((value for name, value in headers if name == b"last-event-id"), b"")
        after, look = heard(said.decode("latin-1")), partial(self._engine.follow_call, key)
        seen = await look(after)
        if seen is not None and seen.is_over and seen.number == after:
            return Answer(204, [NO_STORE])
        followed = self._events.followers.admit(look, after)
        return Answer(200, [NO_STORE], stream=StreamedItems(Told(followed, self._path), framing.EVENTS))


class Told:
    """What is followed, in the words of callers. Immutable."""

    def __init__(self, followed: Followed, path: str) -> None:
        self._followed = followed
        self._path = path

    def __aiter__(self) -> Told:
        return self

    async def __anext__(self) -> ServerSentEvent:
        seen = await anext(self._followed)
        kind = "end" if seen.is_over else "progress"
        return ServerSentEvent(event=kind, id=str(seen.number), data=_words_of(seen.told, self._path))

    async def aclose(self) -> None:
        await self._followed.aclose()


def _short(text: str) -> str:
    """A text of any length and kind as one that an attribute can hold; "-" for nothing."""
    return hashlib.sha256(text.encode()).hexdigest()[:32] if text else "-"


def _words_of(standing: Standing, path: str) -> dict[str, Any]:
    return {
        "id": standing.key,
        "function": standing.function,
        "state": _WORDS.get(standing.state, str(standing.state)),
        "accepted": moment(standing.accepted),
        "attempts": standing.attempts,
        "progress": None if standing.progress is None else _progress(standing.progress),
        "status": standing.status,
        "result": None if standing.status is None else f"{path}/{standing.key}/result",
    }


def _progress(said: Progress) -> dict[str, Any]:
    return {"done": said.done, "total": said.total, "note": said.note, "at": moment(said.at)}
