"""Routes with a ``cache`` section: whole answers of functions, kept for the next who asks for the same.

It stands after the choice of a revision and before its instance: a hit needs no instance, and what one revision
answered is never served where another gets the traffic. Rules are :mod:`bff.services.cache`'s; who waits for
whom, and what runs behind a stale page, is here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, MutableMapping
from contextlib import suppress
from typing import Any

from cachetools import LRUCache

from bff.clock import Clock, Deadline, Expiry
from bff.errors import BffError, DeadlineExceeded
from bff.gateway import views
from bff.gateway.door.failures import NotCached
from bff.gateway.pages import keep
from bff.gateway.protocol import SCOPE_KEY
from bff.gateway.sender import Sender
from bff.gateway.static import Respond
from bff.gateway.subject import OF_ONE_CALLER, subject_of
from bff.gateway.target import Target
from bff.sdk.invocation import Incoming, Invocation
from bff.sdk.reply import Answer
from bff.services.cache import Asked, Cache, Found
from bff.services.cachestatus import Handled
from bff.services.fields import READING, Pair, first, without
from bff.services.freshness import ERRORS, Policy
from bff.services.refreshing import Refreshing
from bff.services.stored import Key, Stored

Invoke = Callable[..., Awaitable[None]]
_BODY = frozenset({b"content-length", b"transfer-encoding"})
_WRITTEN_ANEW, _CONTROL = frozenset({b"content-length"}), frozenset({b"cache-control"})
_MOST_UNSHARED = 1024


class RouteCache:
    """Mutable state: ``_pending``, what is being answered by key; ``_unshared``, keys whose answers are not kept;
    what is ``_refreshing``.
    """

    def __init__(self, cache: Cache, *, clock: Clock, invoke: Invoke) -> None:
        self.cache = cache
        self.clock = clock
        self._invoke = invoke
        self._pending: dict[Hashable, asyncio.Future[None]] = {}
        self._unshared: LRUCache[Hashable, bool] = LRUCache(_MOST_UNSHARED)
        self._refreshing = Refreshing()

    def shelf(self, policy: Policy, invocation: Invocation, sender: Sender, target: Target) -> Shelf:
        """What one request has to do with it."""
        return Shelf(self, policy, invocation, sender, target)

    def under_way(self, key: Hashable) -> asyncio.Future[None] | None:
        """Somebody else's run for the same answer, if it is worth waiting for."""
        return None if key in self._unshared else self._pending.get(key)

    def hearing(self, respond: Respond, invocation: Invocation) -> Respond:
        """``respond`` of a function that may change something and keeps nothing itself: what other routes keep of
        its URL is dropped before its caller hears how it went.
        """

        async def heard(answer: Answer) -> None:
            whole = Sender.whole_of(answer, invocation.function)
            if whole is not None:
                self._changed(invocation, whole.status, whole.headers)
            await respond(answer)
            if whole is None:  # an application tells while it answers
                self._changed(invocation, invocation.status, [])

        return heard

    def _changed(self, invocation: Invocation, status: int | None, fields: list[Pair]) -> None:
        assert invocation.incoming is not None
        key = Key(space="route", url=_url(invocation.incoming.scope))
        received = self.cache.received(status or 500, fields, self.clock.now())
        self.cache.heard(Asked(method=invocation.method, key=key, fields=()), Found(why="method"), received)

    def begin(self, key: Hashable) -> None:
        """From now on others may wait for this answer."""
        self._pending[key] = asyncio.get_running_loop().create_future()

    def ended(self, key: Hashable, *, is_kept: bool) -> None:
        """It is there, or will not be."""
        pending = self._pending.pop(key, None)
        if pending is not None and not pending.done():
            pending.set_result(None)
        if is_kept:
            self._unshared.pop(key, None)
        else:
            self._unshared[key] = True

    def refresh(self, asked: Asked, stale: Invocation, target: Target) -> None:
        """Run the function again for an entry that names nobody, as a task of the gateway's own."""
        if asked.key not in self._refreshing:
            self._refreshing.begin(asked.key, self._refreshed(asked, stale, target))

    async def _refreshed(self, asked: Asked, stale: Invocation, target: Target) -> None:
        invocation = _without_its_caller(stale, target, self.clock)
        invocation.shelf = keeper = Refresh(self, asked, invocation)
        # After a failure the stale page goes on as long as it may, and whoever comes next tries again.
        with suppress(BffError, TimeoutError):
            await self._invoke(invocation, target.with_static(keeper.keep, invocation))
        assert invocation.incoming is not None
        await invocation.incoming.close()

    async def aclose(self) -> None:
        """End what is refreshed."""
        await self._refreshing.aclose()


class Shelf:
    """One request's way through the store. Mutable state: what was ``asked`` and ``found`` once the revision is
    known, the ``_activator`` that answers, ``_leads`` while others may wait for it.
    """

    __slots__ = (
        "_activator", "_asked", "_began", "_cache", "_collapsed", "_found", "_invocation", "_leads", "_policy",
        "_sender", "_target",
    )  # fmt: skip

    def __init__(
        self, cache: RouteCache, policy: Policy, invocation: Invocation, sender: Sender, target: Target
    ) -> None:
        self._cache = cache
        self._policy = policy
        self._invocation = invocation
        self._sender = sender
        self._target = target
        self._asked: Asked | None = None
        self._found = Found(why="bypass")
        self._activator: Any = None
        self._leads = self._collapsed = False
        self._began = 0.0

    async def answered(self, activator: Any) -> bool:
        """Whether the answer was there, and is sent. Otherwise the function runs, and :meth:`respond` hears it.

        Raises:
            NotCached: the request wants a kept answer or none.
            DeadlineExceeded: its time ran out while somebody else's run for the same answer took too long.

        """
        self._release(is_kept=False)  # it was another revision, then
        self._activator = activator
        scope = self._scope()
        if self._invocation.method in READING and not _BODY.isdisjoint(name for name, _ in scope["headers"]):
            return False
        self._asked = asked = self._ask(scope, activator.tenure)
        if await self._served(asked):
            return True
        if self._found.is_forbidden:
            raise NotCached
        if asked.method != "GET" or asked.is_authorized:
            return False
        pending = self._cache.under_way(asked.key)
        if pending is not None:
            await self._wait(pending)
            self._collapsed = True
            if await self._served(asked):
                return True
        if self._cache.under_way(asked.key) is None:
            self._leads = True
            self._cache.begin(asked.key)
        return False

    def _scope(self) -> MutableMapping[str, Any]:
        assert self._invocation.incoming is not None
        return self._invocation.incoming.scope

    def _ask(self, scope: MutableMapping[str, Any], tenure: str) -> Asked:
        fields = scope["headers"]
        caller = self._invocation.caller
        key = Key(
            space="route",
            url=_url(scope),
            revision=tenure,
            lane=self._invocation.lane,
            subject=subject_of(caller),
        )
        # Whom the gateway knows has a store of his own; what it does not know, it must not share (RFC 9111 §3.5).
        is_authorized = not caller.is_known and any(name == b"authorization" for name, _ in fields)
        self._began = self._cache.clock.now()
        return Asked.read(self._invocation.method, key, fields, self._policy, is_authorized=is_authorized)

    async def _served(self, asked: Asked) -> bool:
        why = self._found.why
        self._found = found = self._cache.cache.look(asked)
        if not found.is_hit or found.stored is None:
            return False
        if found.refreshes:
            self._cache.refresh(asked, self._invocation, self._target)
        handled = self._cache.cache.hit(found.stored)
        if self._collapsed:  # it went on, by somebody else's run (RFC 9211 §2.6)
            handled = Handled(fwd=why, ttl=handled.ttl, collapsed=True)
        await self._send(found.stored, asked, handled)
        return True

    async def _send(self, stored: Stored, asked: Asked, handled: Handled) -> None:
        self._invocation.revision = self._activator.revision.name
        whole = self._cache.cache.answer(stored, asked)
        body = stored.body if asked.method == "HEAD" else whole.body
        answer = Answer(whole.status, without(whole.fields, _WRITTEN_ANEW), body)
        if stored.parts is not None and whole.status != 416:  # its control was for the store
            answer.headers = without(answer.headers, _CONTROL)
            is_identified = views.is_identified(self._invocation, asked.fields)
            views.with_control(answer, stored.parts, identified=is_identified)
        answer.headers.append(self._status(handled))
        await self._sender.whole(answer, is_dated=True)

    def _status(self, handled: Handled) -> Pair:
        self._invocation.kept = handled.word
        return handled.field()

    async def _wait(self, pending: asyncio.Future[None]) -> None:
        """For somebody else's run, but no longer than the caller does."""
        deadline = self._invocation.deadline
        try:
            with Expiry(self._cache.clock, deadline.at):
                await asyncio.wait({pending})
        except TimeoutError:
            raise DeadlineExceeded(allowed=deadline.allowed) from None

    async def respond(self, answer: Answer) -> None:
        """Send what the function answered, and keep it where that is allowed."""
        asked = self._asked
        answer = self._sender.as_whole(answer)
        if asked is None or answer.response is not None or answer.stream is not None:
            await self._sender.answer(answer)
            return
        if answer.status in ERRORS and await self._replaced(answer.status):
            return
        views.with_tag_if_kept(answer, self._invocation)
        views.with_vary(answer, self._invocation.parts)
        stored = keep(self._cache.cache, asked, answer, self._invocation, self._activator, self._began)
        self._release(is_kept=stored is not None)
        answer.headers.append(self._status(self._went_on(stored)))
        await self._sender.answer(answer)

    def _went_on(self, stored: Stored | None) -> Handled:
        ttl = None if stored is None else self._cache.cache.ttl(stored)
        why = self._found.why
        return Handled(fwd=why, ttl=ttl, stored=stored is not None, collapsed=self._collapsed)

    async def stood_in(self, failure: BffError) -> bool:
        """Whether a kept answer was sent instead of this failure."""
        return failure.status >= 500 and not self._sender.started and await self._replaced(failure.status)

    async def _replaced(self, status: int) -> bool:
        """Whether a kept answer was sent instead of one with this status (RFC 5861 §4)."""
        stored, asked = self._found.stored, self._asked
        if stored is None or asked is None or self._cache.cache.failed(asked, self._found) is None:
            return False
        self._invocation.missing = None
        handled = Handled(fwd=self._found.why, fwd_status=status, ttl=self._cache.cache.ttl(stored))
        await self._send(stored, asked, handled)
        return True

    def close(self) -> None:
        """The request has ended, however: nobody waits for it in vain."""
        self._release(is_kept=False)

    def _release(self, *, is_kept: bool) -> None:
        if self._leads and self._asked is not None:
            self._leads = False
            self._cache.ended(self._asked.key, is_kept=is_kept)


class Refresh:
    """A run of a function for nobody but the store. Mutable state: ``_activator``, once it is chosen."""

    __slots__ = ("_activator", "_asked", "_began", "_cache", "_invocation")

    def __init__(self, cache: RouteCache, asked: Asked, invocation: Invocation) -> None:
        self._cache = cache
        self._asked = asked
        self._invocation = invocation
        self._activator: Any = None
        self._began = cache.clock.now()

    async def answered(self, activator: Any) -> bool:
        """Never: the function is to run."""
        self._activator = activator
        return False

    async def keep(self, answer: Answer) -> None:
        """Keep it for the revision that answered, if it is the one whose page was stale."""
        whole = Sender.whole_of(answer, self._invocation.function)
        if whole is None or self._activator.tenure != self._asked.key.revision:
            return
        assert self._invocation.incoming is not None
        asked = Asked(
            method="GET",
            key=self._asked.key,
            fields=self._invocation.incoming.scope["headers"],
            policy=self._asked.policy,
        )
        views.with_tag_if_kept(whole, self._invocation)
        views.with_vary(whole, self._invocation.parts)
        keep(self._cache.cache, asked, whole, self._invocation, self._activator, self._began)


def _url(scope: MutableMapping[str, Any]) -> str:
    """What a route's answers are kept by: the host and the raw target."""
    query = scope["query_string"]
    path = scope["raw_path"].partition(b"?")[0]
    target = (path + b"?" + query if query else path).decode("latin-1")
    return f"//{first(scope['headers'], b'host').decode('latin-1').lower()}{target}"


def _without_its_caller(stale: Invocation, target: Target, clock: Clock) -> Invocation:
    """The same request as if nobody in particular had sent it."""
    incoming = stale.incoming
    assert incoming is not None
    scope = {key: value for key, value in incoming.scope.items() if key != SCOPE_KEY}
    scope |= {"method": "GET", "headers": without(scope["headers"], OF_ONE_CALLER)}
    now = clock.now()
    made = Invocation(
        request_id=f"{stale.request_id}-refresh", method="GET", clock=clock, started=now, origin=stale.origin
    )
    made.route, made.function = stale.route, stale.function
    made.lane, made.carrier = stale.lane, stale.carrier
    made.deadline = Deadline(now + target.timeout, target.timeout)
    made.incoming = Incoming(scope, _nothing_more, incoming.path_params, target.max_body, incoming.forwarding)
    return made


async def _nothing_more() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}
