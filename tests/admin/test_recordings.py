"""What the admin listener tells of invocations: found, told whole, grouped, and as they happen."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, MutableMapping
from typing import Any

import pytest

from bff.admin.endpoint import TAKEN_WITHIN
from bff.admin.exchange import scope_of
from bff.admin.operation import Asked
from bff.admin.recordings import MOST_AT_ONCE, MOST_WATCHERS, Recordings
from bff.admin.recordshapes import (
    BatchShape,
    CauseShape,
    InvocationShape,
    PulseShape,
    WholeInvocationShape,
)
from bff.clock import Deadline
from bff.errors import FunctionFailed
from bff.gateway.protocol import SCOPE_KEY
from bff.sdk.caller import Caller
from bff.sdk.callrecord import CallRecord
from bff.sdk.invocation import Invocation
from bff.telemetry.bodies import Bodies
from bff.telemetry.failure import Witness
from bff.telemetry.identity import Callers
from bff.telemetry.recorder import Recorder
from bff.testing import ManualClock
from tests.admin.conftest import Asking, admin_office
from tests.admin.conftest import Who as Who

CALLERS = Callers()
pytestmark = pytest.mark.anyio


def ended(clock: ManualClock, request_id: str = "r", seconds: float = 0.01, **known: Any) -> Invocation:
    made = Invocation(request_id=request_id, method="GET", clock=clock, started=clock.now() - seconds)
    made.ended, made.deadline = clock.now(), Deadline(clock.now() + 1.0, 1.0)
    for name, value in {"route": "/home", "function": "home", "status": 200, **known}.items():
        setattr(made, name, value)
    return made


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def recorder() -> Recorder:
    return Recorder(Witness(lambda _module, _file: None), CALLERS, memory=2**22, slow=0.5, bodies=100)


@pytest.fixture
async def asking(anyio_backend: str, clock: ManualClock, recorder: Recorder) -> AsyncIterator[Asking]:
    async with admin_office(clock=clock, recorder=recorder) as made:
        yield made


async def test_they_are_listed_newest_first_and_page_by_page(
    asking: Asking, recorder: Recorder, clock: ManualClock
) -> None:
    """``before`` goes on where the last page ended."""
    for number in range(5):
        recorder.keep(ended(clock, f"r{number}"))
    first = (await asking("GET", "/v1/invocations?limit=2")).json()
    rest = (await asking("GET", f"/v1/invocations?before={first[-1]['seq']}")).json()
    assert [told["request_id"] for told in (*first, *rest)] == ["r4", "r3", "r2", "r1", "r0"]
    for told in first:
        InvocationShape.model_validate(told)


async def test_they_are_filtered_as_the_query_says(
    asking: Asking, recorder: Recorder, clock: ManualClock
) -> None:
    """By all that an operator looks for."""
    recorder.keep(ended(clock, "old"))
    await clock.advance(3600.0)
    recorder.keep(ended(clock, "slow", seconds=0.6, revision="home-00002"))
    recorder.keep(ended(clock, "bad", function="other", status=500, error=FunctionFailed("other")))

    async def found(query: str) -> list[str]:
        answer = await asking("GET", f"/v1/invocations?{query}")
        assert answer.status_code == 200, answer.text
        return [told["request_id"] for told in answer.json()]

    assert await found("since=10m") == ["bad", "slow"]
    assert await found("function=home") == ["slow", "old"]
    assert await found("slow=true&errors=true") == ["bad", "slow"]
    assert await found("status=5xx") == ["bad"]
    assert await found("revision=home-00002") == ["slow"]
    assert await found("request_id=old") == ["old"]
    assert await found("route=/nowhere") == []


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("status=bad", "The query parameter status is a status such as 404, or a class of them such as 5xx."),
        ("since=yesterday", "The query parameter since is a duration such as 15m, or an instant"),
        ("slow=yes", "slow is true or false"),
        ("limit=0", "limit is a whole number from 1 to 1000"),
        ("functoin=home", "did you mean function?"),
    ],
)
async def test_what_is_not_understood_is_refused_with_what_to_write(
    asking: Asking, query: str, said: str
) -> None:
    """400, and nothing is guessed."""
    answer = await asking("GET", f"/v1/invocations?{query}")
    assert answer.status_code == 400
    assert said in answer.json()["detail"]


async def test_one_is_told_whole(asking: Asking, recorder: Recorder, clock: ManualClock) -> None:
    """With its waterfall, why it failed, who called (as a digest), and without secrets."""
    call = CallRecord("users", "GET", "/users/7?token=abc&x=1", clock.now() - 0.005)
    call.ended, call.status, call.attempts, call.flags = clock.now(), 200, 1, "UF"
    failure = FunctionFailed("home")
    failure.__cause__ = ValueError("no such room")
    made = ended(
        clock,
        *("one", 0.01),
        status=500,
        error=failure,
        calls=[call],
        began=clock.now() - 0.009,
        answered=b'{"password": "p", "n": 1}',
        caller=Caller(subject="ann", scheme="jwt"),
    )
    made.handler_seconds = 0.008
    recorder.keep(made)
    told = (await asking("GET", "/v1/invocations/one")).json()
    WholeInvocationShape.model_validate(told)
    assert told["at"] == "2025-12-31T23:59:59.990Z"
    assert told["failure"]["cause"] == "ValueError: no such room"
    assert (told["flags"], told["error"], told["fault"], told["ms"]) == (
        "UF",
        "function-failed",
        "function",
        10.0,
    )
    assert [span["kind"] for span in told["spans"]] == ["request", "handler", "call", "attempt", "send"]
    assert told["spans"][2]["facts"]["path"] == "/users/7?token=[redacted]&x=1"
    assert told["spans"][2]["start_ms"] == 5.0
    assert told["bodies"] == {
        "request": None, "request_size": None, "answer": {"password": "[redacted]", "n": 1}, "answer_size": 25,
    }  # fmt: skip
    assert told["caller"] == CALLERS.hashed(made.caller)
    assert "ann" not in json.dumps(told)


async def test_bodies_that_are_long_or_no_json_are_only_counted(
    asking: Asking, recorder: Recorder, clock: ManualClock
) -> None:
    """Nobody knows where the secrets of such a one are."""
    for number, body in enumerate((b"x" * 101, b"password=1", b'{"cut')):
        recorder.keep(ended(clock, f"b{number}", answered=body))
        told = (await asking("GET", f"/v1/invocations/b{number}")).json()
        assert (told["bodies"]["answer"], told["bodies"]["answer_size"]) == (None, len(body))
    assert Bodies(request=None, request_size=None, answer=None, answer_size=None).weight > 0


async def test_an_id_that_is_not_remembered_is_404(
    asking: Asking, recorder: Recorder, clock: ManualClock
) -> None:
    """So is another one's number."""
    recorder.keep(ended(clock, "one"))
    assert (await asking("GET", "/v1/invocations/two")).status_code == 404
    assert (await asking("GET", "/v1/invocations/one?seq=2")).status_code == 404
    assert (await asking("GET", "/v1/invocations/one?seq=1")).status_code == 200


async def test_errors_are_told_by_cause(asking: Asking, recorder: Recorder, clock: ManualClock) -> None:
    """With how often, since when, and which one to look at."""
    recorder.keep(ended(clock, "first", status=500, error=FunctionFailed("home")))
    await clock.advance(60.0)
    recorder.keep(ended(clock, "second", status=500, error=FunctionFailed("home")))
    recorder.keep(ended(clock, "other", function="other", status=500, error=FunctionFailed("other")))
    [told] = (await asking("GET", "/v1/errors?function=home")).json()
    CauseShape.model_validate(told)
    assert (told["count"], told["request_id"]) == (2, "second")
    assert (told["first"], told["last"]) == ("2026-01-01T00:00:00.000Z", "2026-01-01T00:01:00.000Z")
    await clock.advance(3600.0)
    assert (await asking("GET", "/v1/errors?since=10m")).json() == []


async def test_how_functions_do_is_told(asking: Asking, recorder: Recorder, clock: ManualClock) -> None:
    """Rates over the window that was asked for."""
    for _ in range(20):
        recorder.keep(ended(clock))
    [told] = (await asking("GET", "/v1/live?window=5")).json()
    PulseShape.model_validate(told)
    assert (told["function"], told["rate"], told["p99_ms"]) == ("home", 4.0, 10.0)


async def test_where_nothing_is_remembered_that_is_said(anyio_backend: str) -> None:
    """404 with the key of routes.yaml that would change it."""
    async with admin_office() as asking:
        for path in ("invocations", "invocations/x", "errors", "live"):
            answer = await asking("GET", f"/v1/{path}")
            assert answer.status_code == 404
            assert "telemetry.recorder" in answer.json()["detail"]


class Watching:
    """Somebody with a stream open; ``more`` waits for the next event."""

    def __init__(self, stream: AsyncGenerator[bytes, None]) -> None:
        self.stream = stream

    async def more(self) -> dict[str, Any]:
        event = await anext(self.stream)
        assert event.startswith(b"event: invocations\n")
        batch: dict[str, Any] = json.loads(event.partition(b"data: ")[2])
        BatchShape.model_validate(batch)
        return batch


def asked(**query: Any) -> Asked:
    async def stays() -> None:
        await asyncio.Event().wait()

    return Asked(
        params={}, query=query, who=Who(name="x", scopes=frozenset({"read"})), expected=None, body=None,
        accept="text/event-stream", heard="", gone=stays,
    )  # fmt: skip


class Now(ManualClock):
    """Time that passes for whoever sleeps."""

    async def sleep(self, seconds: float) -> None:
        await self.advance(seconds)


async def watch(recordings: Recordings, **query: Any) -> Watching:
    [listing, *_] = recordings.operations()
    reply = await listing.run(asked(**query))
    assert not isinstance(reply.body, bytes)
    watching = Watching(reply.body)
    assert await anext(watching.stream) == b": from here on\n\n"
    return watching


async def test_what_ends_is_told_in_batches(recorder: Recorder) -> None:
    """All that ended meanwhile in one event, the oldest first; what does not fit is left out."""
    clock = Now()
    recordings = Recordings(recorder, clock=clock, is_ready=lambda: True)
    recorder.keep(ended(clock, "before"))
    watching = await watch(recordings, function="home")
    for number in range(3):
        recorder.keep(ended(clock, f"r{number}"))
        recorder.keep(ended(clock, "of another", function="other"))
    batch = await watching.more()
    assert ([told["request_id"] for told in batch["invocations"]], batch["missed"]) == (["r0", "r1", "r2"], 0)
    recorder.keep(ended(clock, "later"))
    assert [told["request_id"] for told in (await watching.more())["invocations"]] == ["later"]
    await watching.stream.aclose()


async def test_who_reads_slowly_misses_the_older_ones_and_is_told(recorder: Recorder) -> None:
    """Nothing is held for a reader: what is remembered anyway is all there is."""
    clock = Now()
    recordings = Recordings(recorder, clock=clock, is_ready=lambda: True)
    watching = await watch(recordings)
    for number in range(10_000):
        recorder.keep(ended(clock, f"r{number}"))
    batch = await watching.more()
    assert (len(batch["invocations"]), batch["missed"]) == (MOST_AT_ONCE, 10_000 - MOST_AT_ONCE)
    assert batch["invocations"][-1]["request_id"] == "r9999"
    await watching.stream.aclose()


async def test_a_stream_that_broke_off_goes_on_after_the_last_event(recorder: Recorder) -> None:
    """``after`` is the last event's id; a number from another life of the gateway begins now."""
    clock = Now()
    recordings = Recordings(recorder, clock=clock, is_ready=lambda: True)
    for number in range(3):
        recorder.keep(ended(clock, f"r{number}"))
    watching = await watch(recordings, after=1)
    assert [told["request_id"] for told in (await watching.more())["invocations"]] == ["r1", "r2"]
    await watching.stream.aclose()
    watching = await watch(recordings, after=999)
    recorder.keep(ended(clock, "new"))
    assert [told["request_id"] for told in (await watching.more())["invocations"]] == ["new"]
    await watching.stream.aclose()


async def test_silence_is_filled_and_draining_ends_it(recorder: Recorder) -> None:
    """A comment every 15 seconds; a gateway that ends holds no stream open."""
    clock, ready = Now(), [True]
    recordings = Recordings(recorder, clock=clock, is_ready=lambda: ready[0])
    watching = await watch(recordings)
    before = clock.now()
    assert await anext(watching.stream) == b": still here\n\n"
    assert clock.now() - before >= 15.0
    ready[0] = False
    assert [event async for event in watching.stream] == []


async def test_so_many_watch_and_no_more(recorder: Recorder) -> None:
    """One more is 503; who leaves makes room."""
    clock = Now()
    recordings = Recordings(recorder, clock=clock, is_ready=lambda: True)
    watching = [await watch(recordings) for _ in range(MOST_WATCHERS)]
    [listing, *_] = recordings.operations()
    with pytest.raises(Exception, match="watch invocations already"):
        await listing.run(asked())
    await watching.pop().stream.aclose()
    watching.append(await watch(recordings))
    for each in watching:
        await each.stream.aclose()


class Stopped:
    """A reader over a connection that takes the head and the first piece, and nothing more."""

    def __init__(self) -> None:
        self.pieces = 0
        self.cut = False

    async def send(self, message: MutableMapping[str, Any]) -> None:
        self.pieces += message["type"] == "http.response.body"
        if self.pieces > 1:
            await asyncio.Event().wait()

    async def receive(self) -> dict[str, Any]:
        if not self.pieces:
            return {"type": "http.request", "body": b"", "more_body": False}
        await asyncio.Event().wait()
        raise AssertionError

    def break_off(self, _scope: object) -> None:
        self.cut = True


async def test_who_has_stopped_reading_keeps_no_place_for_ever(
    asking: Asking, recorder: Recorder, clock: ManualClock
) -> None:
    """After five minutes in which nothing was taken the connection is cut, and somebody else may watch."""
    reader = Stopped()
    fields = [(b"host", b"127.0.0.1"), (b"accept", b"text/event-stream")]
    scope = {**scope_of("GET", "/v1/invocations", fields), SCOPE_KEY: reader}
    watching = asyncio.create_task(asking.office.app(scope, reader.receive, reader.send))
    await clock.advance(1)
    recorder.keep(ended(clock, "more than it takes"))
    await clock.advance(TAKEN_WITHIN - 1)
    assert (reader.pieces, reader.cut, watching.done()) == (2, False, False)
    await clock.advance(2)
    assert reader.cut
    await watching


async def test_the_stream_is_described(asking: Asking) -> None:
    """In the API's own document, with the shape of an event."""
    document = (await asking("GET", "/openapi.json")).json()
    described = document["paths"]["/v1/invocations"]["get"]
    assert "text/event-stream" in described["responses"]["200"]["content"]
    assert "BatchShape" in document["components"]["schemas"]
