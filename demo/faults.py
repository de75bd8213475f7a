"""Slow and broken on demand: an ASGI wrapper that reads what should go wrong from the query string.

``delay=300ms``   waits before the answer (a plain number is seconds; at most 30 s)
``fail=503``      answers that status (400 to 599) as a problem document
``fail=cut``      sends half of the body it announced, then closes the connection
``fail=html``     answers 200 with a page of HTML
``fail=hang``     never answers; gives up with 504 after 60 s
``fail_rate=0.3`` lets ``fail`` (503 unless named) happen to that share of the calls only

An empty value counts as none, since clients send ``fail=`` for a parameter that they leave open.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl

from pydantic import BaseModel, BeforeValidator, Field, ValidationError
from starlette.responses import HTMLResponse, JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LONGEST_DELAY = 30.0
LONGEST_HANG = 60.0

_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(ms|s|)")
_UNITS = {"ms": 0.001, "s": 1.0, "": 1.0}


def _seconds(text: object) -> float:
    match = _DURATION.fullmatch(str(text))
    if match is None:
        raise ValueError("a duration is written 300ms, 1.5s or 2")
    return min(float(match[1]) * _UNITS[match[2]], LONGEST_DELAY)


class Trouble(BaseModel):
    """What a caller asked to go wrong."""

    delay: Annotated[float, BeforeValidator(_seconds)] = 0.0
    fail: Literal["cut", "html", "hang"] | Annotated[int, Field(ge=400, le=599)] | None = None
    fail_rate: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None = None

    def strikes(self, dice: float) -> Literal["cut", "html", "hang"] | int | None:
        """The fault of this call, given a number thrown between 0 and 1."""
        if self.fail_rate is None:
            return self.fail
        return (self.fail or 503) if dice < self.fail_rate else None


class Faults:
    """Wraps a service; reads ``Trouble`` from every query string and makes it happen."""

    def __init__(self, app: ASGIApp, *, dice: random.Random | None = None) -> None:
        self._app = app
        self._dice = dice or random.Random()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not scope.get("query_string"):
            await self._app(scope, receive, send)
            return
        try:
            trouble = Trouble.model_validate(dict(parse_qsl(scope["query_string"].decode("latin-1"))))
        except ValidationError as error:
            await unfit(error)(scope, receive, send)
            return
        if trouble.delay and await _gone_within(trouble.delay, receive):
            return
        await self._answer(trouble.strikes(self._dice.random()), scope, receive, send)

    async def _answer(self, fault: str | int | None, scope: Scope, receive: Receive, send: Send) -> None:
        match fault:
            case None:
                await self._app(scope, receive, send)
            case "cut":
                await self._app(scope, receive, _Scissors(send))
            case "html":
                await HTMLResponse(_PAGE)(scope, receive, send)
            case "hang":
                if not await _gone_within(LONGEST_HANG, receive):
                    await problem(504, "Nothing came, as asked.")(scope, receive, send)
            case status:
                await problem(int(status), "This call failed, as asked.")(scope, receive, send)


class _Scissors:
    """A ``send`` that lets the head and half of the body pass, then nothing.

    The server sees an answer that was never completed and closes the connection.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self._is_cut = False

    async def __call__(self, message: Message) -> None:
        if self._is_cut:
            return
        if message["type"] == "http.response.body":
            self._is_cut = True
            body = message.get("body", b"")
            message = {**message, "body": body[: len(body) // 2], "more_body": True}
        await self._send(message)


async def _gone_within(seconds: float, receive: Receive) -> bool:
    """Whether the caller left within that time."""
    try:
        async with asyncio.timeout(seconds):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        return False
    return True


def problem(
    status: int, detail: str, *, headers: Mapping[str, str] | None = None, **extras: Any
) -> JSONResponse:
    """An RFC 9457 document as the answer."""
    try:
        title = HTTPStatus(status).phrase
    except ValueError:
        title = "Error"
    return JSONResponse(
        {"type": "about:blank", "title": title, "status": status, "detail": detail, **extras},
        status_code=status,
        headers=headers,
        media_type="application/problem+json",
    )


def unfit(error: ValidationError) -> JSONResponse:
    """422: which values did not fit, and why."""
    errors = [
        {"field": ".".join(map(str, each["loc"][:1])), "message": each["msg"]}
        for each in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    fields = ", ".join(dict.fromkeys(each["field"] for each in errors))
    return problem(422, f"These do not fit: {fields}.", errors=errors)


_PAGE = "<!doctype html><title>Maintenance</title><h1>We will be back soon</h1>\n"
