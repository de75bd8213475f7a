"""Data from routes.yaml in a page: beside what a function answered, or alone where a service's failure left no page.

The strategies are KrakenD's (https://www.krakend.io/docs/endpoints/static-proxy/): an error is what there is instead
of a page, and a page is incomplete where a part of it is missing. Only whole JSON objects with a 2xx are added to.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from pydantic_core import from_json, to_json

from bff.config.static import StaticConfig, Strategy
from bff.errors import BffError, Fault
from bff.gateway.foreign import as_whole
from bff.sdk.failures import ServiceError
from bff.sdk.invocation import Invocation
from bff.sdk.reply import JSON, Answer

Respond = Callable[[Answer], Awaitable[None]]


def applies(strategy: Strategy, *, is_page: bool, is_complete: bool) -> bool:
    """Whether the data is shown: with a page that is complete or not, or instead of one."""
    match strategy:
        case "always":
            return True
        case "success":
            return is_page
        case "complete":
            return is_page and is_complete
        case "errored":
            return not is_page
        case "incomplete":
            return not (is_page and is_complete)


class Static:
    """One route's. Immutable."""

    __slots__ = ("_data", "_strategy", "_whole")

    def __init__(self, config: StaticConfig) -> None:
        self._strategy: Strategy = config.strategy
        self._data: Mapping[str, Any] = dict(config.data)
        self._whole = to_json(self._data)

    def before(self, respond: Respond, invocation: Invocation) -> Respond:
        """Hand an answer on to ``respond`` with the data in it, where it applies."""

        async def with_data(answer: Answer) -> None:
            await respond(self.added_to(answer, invocation))

        return with_data

    def added_to(self, answer: Answer, invocation: Invocation) -> Answer:
        """The answer with the data in it, if it is a page and the strategy says so."""
        if answer.response is not None:
            answer = as_whole(answer, invocation.function) or answer
        if not _is_page(answer) or not applies(self._strategy, is_page=True, is_complete=invocation.complete):
            return answer
        value = from_json(answer.body)
        if isinstance(value, dict):
            answer.body = to_json(value | dict(self._data), inf_nan_mode="constants")
        return answer

    def instead_of(self, failure: BffError, invocation: Invocation) -> Answer | None:
        """The data alone, for a failure that is a service's; the answer then says what is missing."""
        if failure.fault is not Fault.SERVICE or not applies(
            self._strategy, is_page=False, is_complete=False
        ):
            return None
        lost = [failure.service] if isinstance(failure, ServiceError) else invocation.waiting_for()
        for part in lost:
            invocation.mark_missing(part, {"code": failure.code, "status": failure.status})
        return Answer(200, [JSON], self._whole)


def _is_page(answer: Answer) -> bool:
    return (
        answer.stream is None
        and answer.response is None
        and 200 <= answer.status < 300
        and JSON in answer.headers
    )
