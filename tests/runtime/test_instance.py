"""Every kind of handler behind one call, and whose fault it is when it fails."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from typing import Any

import pytest

from bff.errors import CallerLeft, FunctionFailed, ValidationFailed
from bff.sdk.failures import Problem
from bff.sdk.reply import Answer
from bff.signals import Evicted
from tests.runtime.conftest import Gate, Runtime, loaded, until

pytestmark = pytest.mark.anyio


async def items(answer: Answer) -> list[bytes]:
    """Everything a streamed answer gives, the way the gateway takes it."""
    assert answer.stream is not None
    first = await answer.stream.first()  # type: ignore[attr-defined]
    return [] if first is None else [first, *[item async for item in answer.stream]]


@pytest.mark.parametrize(
    "source",
    [
        "async def handle(q: int): return q + 1",
        "def handle(q: int): return q + 1",
        "class H:\n    async def handle(self, q: int): return q + 1\ndef new(): return H()",
        "class H:\n    def handle(self, q: int): return q + 1\ndef new(): return H()",
        "import asyncio\nasync def handle(q: int):\n    await asyncio.sleep(0)\n    return q + 1",
        "class H:\n    async def __call__(self, q: int): return q + 1\nhandle = H()",
    ],
)
async def test_every_shape_answers(runtime: Runtime, source: str) -> None:
    """Async or not, function or method, waiting or not."""
    runtime.write(home=source)
    runtime.function()
    assert [await runtime.body(query=f"q={number}") for number in (1, 2)] == ["2", "3"]


async def test_sync_handlers_run_in_threads_with_the_callers_context(runtime: Runtime, gate: Gate) -> None:
    """Never on the loop; context variables travel along."""
    var: contextvars.ContextVar[str] = contextvars.ContextVar("var")
    gate.var = var  # type: ignore[attr-defined]
    runtime.write(
        home="import gate, threading\ndef handle():\n    return [threading.current_thread().name, gate.var.get()]"
    )
    runtime.function()
    var.set("mine")
    assert await runtime.body() == '["home-1","mine"]'
    assert threading.current_thread().name != "home-1"


async def test_sync_handlers_share_their_threads(runtime: Runtime, gate: Gate) -> None:
    """`threads` of them run at once; the next waits and is not lost."""
    gate.entered, gate.release = threading.Semaphore(0), threading.Event()  # type: ignore[attr-defined]
    runtime.write(
        home="import gate\ndef handle():\n    gate.entered.release()\n    assert gate.release.wait(60)\n    return 'ok'"
    )
    runtime.function(threads=2)
    callers = [runtime.calling() for _ in range(5)]
    await until(lambda: gate.entered._value == 2)  # type: ignore[attr-defined]
    await asyncio.sleep(0.01)
    assert gate.entered._value == 2  # type: ignore[attr-defined]
    gate.release.set()  # type: ignore[attr-defined]
    assert {(await caller).body for caller in callers} == {b"ok"}


@pytest.mark.parametrize(
    "source",
    [
        "async def handle():\n    for n in (1, 2): yield n",
        "def handle():\n    for n in (1, 2): yield n",
        "def handle(): return iter((1, 2))",
        "def handle(): return (n for n in (1, 2))",
        "async def handle():\n    async def numbers():\n        yield 1\n        yield 2\n    return numbers()",
        "class H:\n    def handle(self):\n        yield 1\n        yield 2\ndef new(): return H()",
    ],
)
async def test_generators_are_streamed(runtime: Runtime, source: str) -> None:
    """Sync ones item by item from a thread, async ones from the loop."""
    runtime.write(home=source)
    runtime.function()
    assert await items(await runtime.call()) == [b"1\n", b"2\n"]


async def test_an_empty_generator_is_an_empty_stream(runtime: Runtime) -> None:
    """Not an error."""
    runtime.write(home="def handle():\n    return\n    yield")
    runtime.function()
    assert await items(await runtime.call()) == []


async def test_a_sync_generator_that_is_left_ends_in_its_thread(runtime: Runtime, gate: Gate) -> None:
    """Its `finally` runs, and not on the loop, which it might block."""
    runtime.write(
        home="""
            import gate, threading
            def handle():
                try:
                    for n in range(100): yield n
                finally:
                    gate.see(threading.current_thread().name)
        """
    )
    runtime.function()
    answer = await runtime.call()
    assert answer.stream is not None
    await answer.stream.first()  # type: ignore[attr-defined]
    await answer.stream.aclose()  # type: ignore[attr-defined]
    (where,) = await until(lambda: gate.seen)
    assert where.startswith("home-")


async def test_a_sync_generator_that_is_busy_when_left(runtime: Runtime, gate: Gate) -> None:
    """It cannot be closed while a thread is inside; its thread ends it, and the caller does not wait."""
    gate.entered, gate.release = threading.Event(), threading.Event()  # type: ignore[attr-defined]
    runtime.write(
        home="""
            import gate
            def handle():
                try:
                    yield 1
                    gate.entered.set()
                    assert gate.release.wait(60)
                    yield 2
                finally:
                    gate.see("ended")
        """
    )
    runtime.function(threads=2)
    answer = await runtime.call()
    stream: Any = answer.stream
    await stream.first()
    reading = asyncio.create_task(anext(stream))
    await until(gate.entered.is_set)  # type: ignore[attr-defined]
    reading.cancel()
    await asyncio.wait({reading})
    await stream.aclose()
    gate.release.set()  # type: ignore[attr-defined]
    del stream, answer, reading
    await until(lambda: gate.seen == ["ended"])


async def test_a_sync_generator_that_fails_or_returns_is_not_closed_again(
    runtime: Runtime, gate: Gate
) -> None:
    """What it raised is raised to who reads."""
    runtime.write(home="def handle():\n    yield 1\n    raise OSError('late')")
    runtime.function()
    answer = await runtime.call()
    with pytest.raises(OSError, match="late"):
        await items(answer)


async def test_an_application_is_handed_on_with_its_state(runtime: Runtime) -> None:
    """The gateway runs it with the caller's own scope; its lifespan's state is in it."""
    runtime.write(
        home="""
            async def app(scope, receive, send):
                if scope["type"] == "lifespan":
                    await receive()
                    scope["state"]["db"] = "open"
                    await send({"type": "lifespan.startup.complete"})
                    await receive()
                    return
                await send({"type": "http.response.start", "status": 200, "headers": []})
                await send({"type": "http.response.body", "body": scope["state"]["db"].encode()})
        """
    )
    runtime.function()
    answer = await runtime.call()
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    assert answer.response is not None
    await answer.response({"type": "http", "path": "/"}, None, send)
    assert sent[1]["body"] == b"open"


@pytest.mark.parametrize(
    ("raised", "error"),
    [
        ("ValueError('x')", FunctionFailed),
        ("SystemExit(3)", FunctionFailed),
        ("TimeoutError('mine')", FunctionFailed),
        ("StopIteration(1)", FunctionFailed),
        ("StopAsyncIteration", FunctionFailed),
        ("type('Odd', (BaseException,), {})", FunctionFailed),
        ("asyncio.CancelledError", FunctionFailed),
        ("concurrent.futures.CancelledError", FunctionFailed),
        ("starlette.requests.ClientDisconnect", CallerLeft),
        ("starlette.exceptions.HTTPException(404, 'gone')", Problem),
        ("bff.errors.ValidationFailed([])", ValidationFailed),
    ],
)
@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_whatever_a_handler_raises_is_an_error_of_ours(
    runtime: Runtime, kind: str, raised: str, error: type[BaseException]
) -> None:
    """With the author's exception as the cause. SystemExit ends neither loop nor gateway, and a cancelled
    task that was awaited is not taken for a caller who left.
    """
    imports = "import asyncio, bff.errors, concurrent.futures, starlette.exceptions, starlette.requests"
    runtime.write(home=f"{imports}\n{kind} handle():\n    raise {raised}")
    function = runtime.function()
    with pytest.raises(error) as caught:
        await runtime.call()
    if error is FunctionFailed:
        assert caught.value.__cause__ is not None
    assert function.live is not None
    assert function.live.in_flight == 0
    with pytest.raises(error):
        await runtime.call()


async def test_a_cancelled_part_is_the_functions_failure(runtime: Runtime) -> None:
    """The usual way: a handler cancels a task of its own and awaits it."""
    runtime.write(
        home="""
            import asyncio
            async def handle():
                task = asyncio.create_task(asyncio.sleep(10))
                await asyncio.sleep(0)
                task.cancel()
                await task
        """
    )
    runtime.function()
    with pytest.raises(FunctionFailed, match="was cancelled by itself"):
        await runtime.call()


async def test_a_callers_cancellation_stays_one(runtime: Runtime, gate: Gate) -> None:
    """It reaches the handler where it waits, and comes out as it went in."""
    runtime.write(
        home="import gate, asyncio\nasync def handle():\n    gate.see('in')\n    try: await gate.wait()\n    except asyncio.CancelledError: gate.see('cancelled'); raise"
    )
    runtime.function()
    caller = runtime.calling()
    await until(lambda: gate.seen)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert gate.seen == ["in", "cancelled"]


async def test_what_does_not_fit_is_the_callers_fault(runtime: Runtime, gate: Gate) -> None:
    """Told before the handler runs."""
    runtime.write(home="import gate\nasync def handle(q: int): gate.see(q)")
    runtime.function()
    with pytest.raises(ValidationFailed):
        await runtime.call(query="q=two")
    assert gate.seen == []


async def test_a_new_route_is_bound_when_it_is_first_met(runtime: Runtime) -> None:
    """A route that came with a changed routes.yaml needs no new instance."""
    runtime.write(home="async def handle(q: int = 1): return q")
    runtime.function(routes=(("/", ()),))
    assert await runtime.body() == "1"
    assert await runtime.body(route="/new", query="q=5") == "5"


async def test_threads_end_with_their_instance(runtime: Runtime) -> None:
    """After eviction no thread of the function is left."""
    runtime.write(home="def handle(): return 'ok'")
    function = runtime.function()
    await runtime.body()
    assert [t for t in threading.enumerate() if t.name.startswith("home-")]
    await function.close()
    await until(lambda: not [t for t in threading.enumerate() if t.name.startswith("home-")])
    assert (len(runtime.of(Evicted)), loaded()) == (1, [])


async def test_it_says_what_it_is(runtime: Runtime) -> None:
    """Revision, shape, kind."""
    runtime.write(home="def handle(): ...")
    _, activator = await runtime.live()
    assert repr(activator.instance) == "<Instance of home-dev-1: handle, sync>"
