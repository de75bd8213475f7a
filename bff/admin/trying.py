"""Routes tried out: a request to the public side in this process, by its own rules, and what came of it.

It goes through the gateway's door like every other, and comes from no address: what routes.yaml lets an address do, a
trusted proxy's say, is nobody's who asks here (ADR 106).
"""

from __future__ import annotations

import secrets

from bff.admin.desk import Public
from bff.admin.exchange import Answered, Exchange, scope_of
from bff.admin.keys import Scope
from bff.admin.operation import Asked, Operation, Reply, shown
from bff.admin.refusals import Busy
from bff.admin.tryrequest import curl, fields_of, target_of
from bff.admin.tryshapes import ReadingBody, TryAnswerShape, TryBody
from bff.clock import Clock
from bff.errors import BadRequest, NotFound
from bff.telemetry.recorder import Recorder

LARGEST_ANSWER = 2**20
"""Bytes of an answer that are shown."""
LARGEST_REQUEST = 2**20
LONGEST = 60.0
"""Seconds an answer may take; a stream that goes on is cut off then."""
MOST = 8
"""Requests that are tried at the same time."""

READING = ("GET", "HEAD")


class Trying:
    """The pages about it. Mutable state: ``_count``, how many are tried now."""

    def __init__(self, public: Public, recorder: Recorder | None, *, clock: Clock) -> None:
        self._public = public
        self._recorder = recorder
        self._clock = clock
        self._count = 0

    def operations(self) -> list[Operation]:
        """All of them."""
        return [
            Operation(
                name="getRoutes",
                method="GET",
                path="/v1/routes/openapi.json",
                says="The public routes, as OpenAPI has them: what each takes and gives.",
                run=self._document,
                answer=dict[str, object],
            ),
            Operation(
                name="tryReading",
                method="POST",
                path="/v1/tries/reading",
                says=(
                    "Send a GET or HEAD to a public route, as its caller would, and show what comes. It obeys the"
                    " route's own rules: auth, limits, deadlines."
                ),
                run=self._try,
                body=ReadingBody,
                answer=TryAnswerShape,
                largest=LARGEST_REQUEST,
                refusals=(NotFound, Busy),
            ),
            Operation(
                name="try",
                method="POST",
                path="/v1/tries",
                says="The same with any method, and a body.",
                run=self._try,
                scope=Scope.WRITE,
                body=TryBody,
                answer=TryAnswerShape,
                largest=LARGEST_REQUEST,
                refusals=(NotFound, Busy),
            ),
        ]

    async def _document(self, _: Asked) -> Reply:
        return Reply(body=await self._public.document())

    async def _try(self, asked: Asked) -> Reply:
        body: ReadingBody = asked.body
        method = body.method.upper()
        if not isinstance(body, TryBody) and method not in READING:
            raise BadRequest(
                "Only GET and HEAD are tried here; POST /v1/tries takes the others, and a token that may write."
            )
        if self._count >= MOST:
            raise Busy(f"{MOST} others are being tried.")
        self._count += 1
        try:
            return shown(await self._tried(method, body))
        finally:
            self._count -= 1

    async def _tried(self, method: str, body: ReadingBody) -> TryAnswerShape:
        sent = body.body if isinstance(body, TryBody) else None
        content = b"" if sent is None else sent.get_secret_value().encode("utf-8", "surrogatepass")
        given = {name.lower(): value.get_secret_value() for name, value in body.headers.items()}
        request_id = given.setdefault("x-request-id", f"try-{secrets.token_hex(8)}")
        host = self._public.url().partition("://")[2] or "localhost"
        fields = fields_of(method, host, given, None if sent is None else content)
        scope = scope_of(method, target_of(body.path), fields)
        began = self._clock.now()
        exchange = Exchange(content, most=LARGEST_ANSWER)
        answered = await exchange.run(self._public.app, scope, clock=self._clock, within=LONGEST)
        return self._told(
            answered,
            seconds=self._clock.now() - began,
            request_id=request_id,
            curl=curl(method, self._public.url(), body.path, given, content),
        )

    def _told(self, answered: Answered, *, seconds: float, request_id: str, curl: str) -> TryAnswerShape:
        entry = None if self._recorder is None else self._recorder.find(request_id)
        try:
            text: str | None = bytes(answered.body).decode("utf-8")
        except UnicodeDecodeError as error:
            is_cut = answered.cut and error.start > len(answered.body) - 4  # within a character
            text = bytes(answered.body[: error.start]).decode("utf-8") if is_cut else None
        return TryAnswerShape(
            status=answered.status,
            headers=[(name.decode("latin-1"), value.decode("latin-1")) for name, value in answered.fields],
            body=text,
            size=len(answered.body),
            cut=answered.cut,
            ms=round(seconds * 1000, 3),
            request_id=request_id,
            seq=None if entry is None else entry.number,
            curl=curl,
        )
