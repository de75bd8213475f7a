"""The layers between a call and its wire: a place, an endpoint, and other attempts where one fails.

From the outside in: bulkhead, hedge, retry, balance, breaker. A :class:`CalmWire` is a wire itself, over the wires
of the service's endpoints. All decisions are other files'; here they are obeyed, below one deadline, which is the
record's. On the way of a call that succeeds at once nothing is made but a copy of its headers.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Coroutine, Mapping
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

from bff.clock import Clock
from bff.sdk.attempt import Attempt
from bff.sdk.call import SendOptions
from bff.sdk.callrecord import CallRecord
from bff.sdk.failures import NoHealthyEndpoint, ServiceError, ServiceOverloaded
from bff.sdk.invocation import TIMER_ERROR
from bff.services import retry
from bff.services.budget import RetryBudget
from bff.services.bulkhead import Bulkhead
from bff.services.endpoints import EndpointSet, Member
from bff.services.hedging import Hedging
from bff.services.outcomes import failure_of, is_endpoints
from bff.services.patience import within
from bff.services.policies import Policies
from bff.services.response import ServiceResponse
from bff.services.retry import Condition, Failed
from bff.trace import new_span_id
from bff.trace.propagators import respanned

_SPAN = slice(36, 52)
"""Where the parent id stands in a ``traceparent`` that we wrote."""

TOO_SHORT = 0.05
"""Seconds. A call that was given less and got no answer says nothing about its endpoint."""


@dataclass(slots=True, kw_only=True)
class Asked:
    """One call as it came from above. ``is_repeatable``: it may reach the service twice; ``is_whole``: it can be
    sent twice at all, which a body read from a stream cannot.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    options: SendOptions
    record: CallRecord
    is_repeatable: bool
    is_whole: bool


class CalmWire:
    """Mutable state: the budget, the places taken, and the endpoints."""

    def __init__(
        self,
        service: str,
        policies: Policies,
        endpoints: EndpointSet,
        *,
        clock: Clock,
        random: Random,
        timeout_header: str,
    ) -> None:
        self._service = service
        self._policies = policies
        self._endpoints = endpoints
        self._clock = clock
        self._random = random
        self._timeout_header = timeout_header
        self.budget = RetryBudget(policies.budget)
        self.bulkhead = Bulkhead(policies.bulkhead.most)
        self._hedging = None if policies.hedge is None else Hedging(policies.hedge, self.budget, clock)
        self._per_try = policies.retry.per_try_timeout
        self.ends_attempts = self._hedging is not None or bool(self._per_try)
        """Whether an attempt may be ended while its call goes on."""

    async def exchange(
        self, method: str, path: str, headers: Mapping[str, str], options: SendOptions, record: CallRecord
    ) -> ServiceResponse:
        """See :class:`bff.services.wire.Wire`.

        Raises:
            NoHealthyEndpoint: none may be called now.
            ServiceOverloaded: too many calls of this service are under way already.

        """
        if self.ends_attempts:
            record.flight = None  # what an attempt leaves half-read when it is ended is nobody's to carry on
        underway = record.underway
        if underway is None and not self.bulkhead.enter():
            record.flag("UO")
            raise ServiceOverloaded(self._service, self.bulkhead.most)
        given: ServiceResponse | ServiceError | None = None
        try:
            if underway is None:
                now = self._clock.now()
                self.budget.deposit(now)
                member = self._choose(now, (), record)
            else:
                member = underway.member
            try:
                if self._hedging is None:
                    response = await self._attempt(member, method, path, headers, options, record)
                else:
                    response = await self._hedged(member, method, path, headers, options, record)
            except ServiceError as error:
                failed, given = failure_of(error), error
            else:
                if response.status_code < 429:
                    return response
                failed, given = self._failed(response), response
            if failed is None:
                return _given(given)
            asked = self._asked(method, path, headers, options, record)
            return await self._again(asked, member, failed, given)
        finally:
            self.bulkhead.leave()
            given = None  # a failure must not hold the frame that holds it

    def _choose(self, now: float, tried: tuple[Member, ...], record: CallRecord) -> Member:
        try:
            return self._endpoints.choose(now, tried)
        except NoHealthyEndpoint:
            record.flag("UH")
            raise

    def _asked(
        self, method: str, path: str, headers: Mapping[str, str], options: SendOptions, record: CallRecord
    ) -> Asked:
        idempotent = options.get("idempotent")
        return Asked(
            method=method,
            path=path,
            headers=headers,
            options=options,
            record=record,
            is_repeatable=idempotent is not False  # the call's own word stands above its method
            and retry.may_repeat(
                method,
                headers,
                idempotent=self._policies.is_idempotent if idempotent is None else idempotent,
            ),
            is_whole=not isinstance(options.get("content"), AsyncIterable) and not options.get("files"),
        )

    async def _hedged(
        self,
        member: Member,
        method: str,
        path: str,
        headers: Mapping[str, str],
        options: SendOptions,
        record: CallRecord,
    ) -> ServiceResponse:
        assert self._hedging is not None
        asked = self._asked(method, path, headers, options, record)
        if not (asked.is_repeatable and asked.is_whole):
            return await self._attempt(member, method, path, headers, options, record)
        remaining = record.until - self._clock.now()
        first = partial(self._first, asked, member)
        return await self._hedging.run(first, partial(self._elsewhere, asked, member), remaining, record)

    async def _first(self, asked: Asked, member: Member) -> ServiceResponse:
        """Begun in a task of its own, before which the one probe of the member may have become another call's."""
        if not member.breaker.admits(now := self._clock.now()):
            member = self._choose(now, (), asked.record)
        return await self._attempt(
            member, asked.method, asked.path, asked.headers, asked.options, asked.record
        )

    async def _elsewhere(self, asked: Asked, member: Member) -> ServiceResponse:
        """The same to another endpoint, where there is one."""
        return await self._anew(asked, self._endpoints.choose(self._clock.now(), (member,)))

    def _anew(self, asked: Asked, member: Member) -> Coroutine[Any, Any, ServiceResponse]:
        """The same as another span of the trace."""
        headers = respanned(asked.headers, new_span_id())
        return self._attempt(member, asked.method, asked.path, headers, asked.options, asked.record)

    # One attempt.

    async def _attempt(
        self,
        member: Member,
        method: str,
        path: str,
        headers: Mapping[str, str],
        options: SendOptions,
        record: CallRecord,
    ) -> ServiceResponse:
        """Send it to one endpoint, and tell the endpoints how that went."""
        breaker, underway = member.breaker, record.underway
        if underway is None:
            now = self._clock.now()
            epoch = breaker.enter(now)
            member.active += 1
        else:
            now, epoch = record.started, underway.epoch
        span = headers.get("traceparent", "")[_SPAN]
        try:
            sent = {**headers, self._timeout_header: str(self._milliseconds(record, now))}
            sending = member.wire.exchange(method, path, sent, options, record)
            if self._per_try:
                sending = within(self._clock, self._per_try, sending, self._service)
            response = await sending
        except ServiceError as error:
            self._note_failure(member, epoch, record, error, now)
            self._tried(record, member, span, now, error=error.code)
            raise
        except asyncio.CancelledError:
            self._note_cancelled(member, epoch, record, now)
            self._tried(record, member, span, now, error="cancelled")
            raise
        except BaseException:
            breaker.leave(epoch)
            raise
        finally:
            record.span_id = span
            self._endpoints.left(member)
        if record.tries is not None or response.status_code >= 429 or self._hedging is not None:
            self._tried(record, member, span, now, status=response.status_code)
        if response.status_code >= 429 or not breaker.is_spotless:
            self._note(member, epoch, retry.failed_status(response.status_code), now)
            record.flag("RL" if response.status_code == 429 else "")
        return response

    def _tried(
        self,
        record: CallRecord,
        member: Member,
        span: str,
        began: float,
        *,
        status: int | None = None,
        error: str | None = None,
    ) -> None:
        record.tried(
            Attempt(
                started=began,
                ended=self._clock.now(),
                endpoint=member.name,
                span_id=span,
                status=status,
                error=error,
            )
        )

    def _milliseconds(self, record: CallRecord, now: float) -> int:
        remaining, per_try = record.until - now, self._per_try
        return max(1, int(1000 * (min(per_try, remaining) if per_try else remaining)))

    def _note(self, member: Member, epoch: int, failed: Failed | None, began: float) -> None:
        now = self._clock.now()
        if failed is None:
            self._endpoints.answered(member, epoch, now - began, now)
        else:
            self._endpoints.failed(member, epoch, failed, now - began, now)

    def _note_failure(
        self, member: Member, epoch: int, record: CallRecord, error: ServiceError, began: float
    ) -> None:
        if is_endpoints(error):
            self._note(member, epoch, failure_of(error), began)
        else:
            member.breaker.leave(epoch)
        record.flag(error.flag)

    def _note_cancelled(self, member: Member, epoch: int, record: CallRecord, began: float) -> None:
        """Time ran out, which is the endpoint's failure if it had enough of it; or a hedge was faster, which is one
        if this attempt had the time that the service usually needs; or nobody waits any more.
        """
        now = self._clock.now()
        has_run_out = now >= record.until - TIMER_ERROR and now - began >= TOO_SHORT
        if has_run_out or now - began >= record.patience:
            self._endpoints.failed(member, epoch, Failed(condition=Condition.TIMEOUT), now - began, now)
        else:
            member.breaker.leave(epoch)

    def _failed(self, response: ServiceResponse) -> Failed | None:
        said = retry.retry_after(response.headers, self._clock.wall())
        return retry.failed_status(response.status_code, said)

    # And others.

    async def _again(
        self, asked: Asked, member: Member, failed: Failed, given: ServiceResponse | ServiceError
    ) -> ServiceResponse:
        """Retry as long as policy, deadline and budget allow; else give what the last attempt gave."""
        tried: tuple[Member, ...] = (member,)
        try:
            for number in range(self._policies.retry.attempts + 1):
                wait = self._wait(number, failed, asked)
                if wait is None:
                    break
                await self._clock.sleep(wait)
                try:
                    member = self._endpoints.choose(self._clock.now(), tried)
                except NoHealthyEndpoint:
                    break  # what the attempt gave says more than that nobody else is there
                tried = (*tried, member)
                try:
                    response = await self._anew(asked, member)
                except ServiceError as error:
                    again, given = failure_of(error), error
                else:
                    again, given = self._failed(response), response
                if again is None:
                    break
                failed = again
            return _given(given)
        finally:
            del given

    def _wait(self, number: int, failed: Failed, asked: Asked) -> float | None:
        """Seconds before the next attempt, its token taken; None: there is none."""
        policy = self._policies.retry
        now = self._clock.now()
        if not policy.attempts or not asked.is_whole:
            return None
        if not retry.is_retryable(failed, policy, repeatable=asked.is_repeatable):
            return None
        wait = retry.wait_before(
            number,
            failed,
            policy,
            repeatable=asked.is_repeatable,
            remaining=asked.record.until - now - TIMER_ERROR,
            random=self._random,
            expected=0.0 if self._hedging is None else self._hedging.usual(now),
        )
        if wait is None or not self.budget.withdraw(now):
            asked.record.flag("URX")
            return None
        return wait

    async def aclose(self) -> None:
        """Close the connections of every endpoint."""
        await self._endpoints.aclose()


def _given(given: ServiceResponse | ServiceError) -> ServiceResponse:
    try:
        if isinstance(given, ServiceError):
            raise given
        return given
    finally:
        del given
