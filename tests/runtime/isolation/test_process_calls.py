"""Calls of a function in a process: bound, run and encoded as they are inline."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from bff.errors import (
    BodyTooLarge,
    CallerLeft,
    Fault,
    FunctionFailed,
    UnsupportedMediaType,
    ValidationFailed,
    problem,
)
from bff.sdk.failures import Problem
from bff.sdk.handler import ContractBroken
from bff.sdk.reply import BINARY, JSON, TEXT
from bff.testing import ManualClock
from tests.runtime.isolation.conftest import Yard, sent, until

pytestmark = pytest.mark.anyio


async def test_a_call_is_answered_by_another_process(yard: Yard) -> None:
    """The handler does not run here."""
    instance = await yard.start("import os\nasync def handle(name: str): return {name: os.getpid()}")
    answer = await yard.call(instance, "name=x")
    assert answer.status == 200
    assert answer.headers == [JSON]
    assert json.loads(answer.body) == {"x": instance.pid}
    assert instance.pid != os.getpid()


@pytest.mark.parametrize(
    ("returned", "status", "headers", "body"),
    [
        ("'grüße ✓'", 200, [TEXT], "grüße ✓".encode()),
        ("b'\\x00\\xff'", 200, [BINARY], b"\x00\xff"),
        ("None", 204, [], b""),
        ("({'made': 1}, 201)", 201, [JSON], b'{"made":1}'),
        ("'half \\ud800'", 200, [TEXT], b"half ?"),
        ("[float('inf')]", 200, [JSON], b"[null]"),
    ],
)
async def test_results_are_encoded_as_ever(
    yard: Yard, returned: str, status: int, headers: Any, body: bytes
) -> None:
    """Text, bytes, nothing, a status, and what JSON has no word for."""
    answer = await yard.call(await yard.start(f"async def handle(): return {returned}"))
    assert (answer.status, answer.headers, answer.body) == (status, headers, body)


async def test_everything_a_context_tells_is_the_gateway_s(yard: Yard) -> None:
    """Ids, addresses, settings, the time left and the raw request."""
    instance = await yard.start(
        """
        async def handle(ctx, request):
            return {
                "ids": [ctx.request_id, ctx.trace_id], "who": [ctx.client, ctx.function, ctx.revision],
                "settings": dict(ctx.settings), "left": ctx.remaining(),
                "url": str(request.url), "params": request.path_params, "x": request.headers["x-a"],
                "client": request.client.host, "cookie": request.cookies,
            }
        """,
        routes=(("/{id}", ("id",)),),
    )
    facts = {"route": "/{id}", "params": {"id": "ü/7"}, "headers": {"x-a": "ÿ", "cookie": "a=b"}}
    told = json.loads((await yard.call(instance, "q=1", timeout=600.0, **facts)).body)
    assert told["ids"] == ["r-1", "0af7651916cd43dd8448eb211c80319c"]
    assert told["who"] == ["192.0.2.7", "home", "home-00001"]
    assert told["settings"] == {"colour": "blue"}
    assert 500.0 < told["left"] <= 600.0
    assert told["url"] == "http://bff.test/über?q=1"
    assert (told["params"], told["x"], told["client"]) == ({"id": "ü/7"}, "ÿ", "192.0.2.7")
    assert told["cookie"] == {"a": "b"}


async def test_five_megabytes_cross_both_ways(yard: Yard) -> None:
    """Bodies are bytes on both ways."""
    instance = await yard.start("async def handle(body: bytes): return body[::-1]")
    body = os.urandom(5_000_000)
    pieces = [body[at : at + 64_000] for at in range(0, len(body), 64_000)]
    answer = await yard.call(instance, method="POST", body=pieces)
    assert answer.body == body[::-1]


async def test_models_are_read_and_written(yard: Yard) -> None:
    """pydantic's types live in the process."""
    instance = await yard.start(
        """
        from pydantic import BaseModel
        class Point(BaseModel):
            x: int
            y: float = 0.5
        async def handle(point: Point) -> Point: return Point(x=point.x + 1)
        """
    )
    answer = await yard.call(instance, method="POST", body=b'{"x": 1}')
    assert answer.body == b'{"x":2,"y":0.5}'


async def test_values_that_do_not_fit_are_named(yard: Yard) -> None:
    """422 with every field, as inline."""
    instance = await yard.start("async def handle(limit: int, page: int): ...")
    with pytest.raises(ValidationFailed) as caught:
        await yard.call(instance, "limit=x")
    assert [(each["field"], each["type"]) for each in caught.value.errors] == [
        ("limit", "int_parsing"),
        ("page", "missing"),
    ]


async def test_a_body_that_nobody_reads_is_not_read(yard: Yard) -> None:
    """Reading is the gateway's, once the handler wants it."""
    instance = await yard.start("async def handle(): return 'done'")
    await yard.call(instance, method="POST", body=b"{}")
    assert yard.received == 0


async def test_a_body_over_the_route_s_limit_is_refused(yard: Yard) -> None:
    """413, whether it was announced or not."""
    instance = await yard.start("async def handle(body: bytes): return len(body)")
    with pytest.raises(BodyTooLarge):
        await yard.call(instance, method="POST", body=[b"x" * 60, b"x" * 60], max_body=100)
    with pytest.raises(BodyTooLarge):
        await yard.call(instance, method="POST", headers={"content-length": "101"}, max_body=100)
    assert yard.received == 0


async def test_a_body_of_the_wrong_kind_is_refused_unread(yard: Yard) -> None:
    """415 before a byte of it is asked for."""
    instance = await yard.start("async def handle(body: dict): return body")
    with pytest.raises(UnsupportedMediaType):
        await yard.call(instance, method="POST", body=b"x", content_type="text/html")
    assert yard.received == 0


async def test_a_caller_who_leaves_in_the_body_is_told_as_such(yard: Yard) -> None:
    """The handler's failure it is not."""
    instance = await yard.start("async def handle(body: bytes): return body")
    invocation = yard.invocation(method="POST")

    async def left() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    assert invocation.incoming is not None
    invocation.incoming.receive = left
    with pytest.raises(CallerLeft):
        await yard.run(instance, invocation)


async def test_a_raw_request_reads_forms_and_uploads(yard: Yard) -> None:
    """Starlette's own parser, in the process."""
    instance = await yard.start(
        """
        async def handle(request):
            form = await request.form()
            return {"name": form["name"], "size": len(await form["file"].read())}
        """
    )
    body = (
        b'--b\r\ncontent-disposition: form-data; name="name"\r\n\r\nada\r\n'
        b'--b\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n'
        + b"x" * 9
        + b"\r\n--b--\r\n"
    )
    answer = await yard.call(
        instance, method="POST", body=body, content_type="multipart/form-data; boundary=b"
    )
    assert json.loads(answer.body) == {"name": "ada", "size": 9}


async def test_problems_and_errors_of_a_handler_come_with_all_they_say(yard: Yard) -> None:
    """Extras, fields, fault; and for a bug, its traceback for the log."""
    instance = await yard.start(
        """
        from bff import Problem
        from starlette.exceptions import HTTPException
        async def handle(how):
            if how == "problem":
                raise Problem(409, "Taken.", by="you")
            if how == "http":
                raise HTTPException(401, "Who?", {"www-authenticate": "Basic"})
            return helper({})
        def helper(table):
            return table["nothing"]
        """
    )
    with pytest.raises(Problem) as caught:
        await yard.call(instance, "how=problem")
    assert problem(caught.value)["by"] == "you"
    assert (caught.value.status, caught.value.fault) == (409, Fault.CALLER)
    with pytest.raises(Problem) as caught:
        await yard.call(instance, "how=http")
    assert (caught.value.status, caught.value.headers()["www-authenticate"]) == (401, "Basic")
    with pytest.raises(FunctionFailed) as failed:
        await yard.call(instance, "how=bug")
    cause = failed.value.__cause__
    assert repr(type(cause).__name__) == "'KeyError'"
    trace = cause.__traceback__  # type: ignore[union-attr]
    frames = []
    while trace is not None:
        frames.append((trace.tb_frame.f_code.co_filename, trace.tb_lineno))
        trace = trace.tb_next
    assert frames[-2:] == [(instance.package.filenames()[0], 9), (instance.package.filenames()[0], 11)]


@pytest.mark.parametrize(
    "statement",
    [
        "raise SystemExit(3)",
        "raise KeyboardInterrupt",
        "raise GeneratorExit",
        "import asyncio; raise asyncio.CancelledError",
    ],
)
@pytest.mark.parametrize("kind", ["async def", "def"])
async def test_no_exception_ends_the_process(yard: Yard, kind: str, statement: str) -> None:
    """It is the function's failure, and the next call is answered."""
    instance = await yard.start(
        f"{kind} handle(bad: bool = True):\n    if bad:\n        {statement}\n    return 'fine'"
    )
    with pytest.raises(FunctionFailed):
        await yard.call(instance)
    assert (await yard.call(instance, "bad=false")).body == b"fine"
    assert instance.is_alive


async def test_a_hundred_calls_are_inside_at_once(yard: Yard) -> None:
    """Asynchronous handlers wait side by side, and none is mixed up with another."""
    instance = await yard.start(
        """
        import asyncio
        inside, everybody = 0, asyncio.Event()
        async def handle(number: int):
            global inside
            inside += 1
            if inside == 100: everybody.set()
            await everybody.wait()
            return {"number": number}
        """
    )
    answers = await asyncio.gather(*(yard.call(instance, f"number={number}") for number in range(100)))
    assert [json.loads(answer.body)["number"] for answer in answers] == list(range(100))


async def test_synchronous_handlers_run_side_by_side_in_threads(yard: Yard) -> None:
    """As many as the function may have."""
    instance = await yard.start(
        """
        import threading
        together = threading.Barrier(4, timeout=60)
        def handle(number: int):
            together.wait()
            return number
        """
    )
    answers = await asyncio.gather(*(yard.call(instance, f"number={number}") for number in range(4)))
    assert [answer.body for answer in answers] == [b"0", b"1", b"2", b"3"]


async def test_an_object_is_started_called_and_keeps_its_state(yard: Yard) -> None:
    """``new()`` once, ``start(cfg)`` with the settings, then calls."""
    instance = await yard.start(
        """
        class Counter:
            async def start(self, cfg): self.colour, self.calls = cfg["colour"], 0
            async def handle(self):
                self.calls += 1
                return [self.colour, self.calls]
        def new(): return Counter()
        """
    )
    assert (await yard.call(instance)).body == b'["blue",1]'
    assert (await yard.call(instance)).body == b'["blue",2]'


async def test_shared_code_and_data_cross_as_they_were_snapshotted(yard: Yard) -> None:
    """The process reads nothing from the folder: it may be gone."""
    revision = yard.revision(
        home="from ._shared import word\nasync def handle(): return word", _shared="word = 'old'"
    )
    (yard.root / "_shared.py").write_text("word = 'new'")
    assert (await yard.call(await yard.start_again(revision))).body == b"old"


async def test_a_response_is_sent_as_it_is(yard: Yard) -> None:
    """Status, every field, several cookies."""
    instance = await yard.start(
        """
        from starlette.responses import Response
        async def handle():
            answer = Response(b"tea", 418, {"x-a": "b"}, "text/tea")
            answer.set_cookie("one", "1"); answer.set_cookie("two", "2")
            return answer
        """
    )
    answer = await yard.call(instance)
    status, fields, body = await sent(answer)
    assert (status, fields["x-a"], fields["content-type"], body) == (
        418,
        "b",
        "text/tea; charset=utf-8",
        b"tea",
    )
    head = answer.response._head  # type: ignore[union-attr]
    assert [name for name, _ in head["headers"]].count("set-cookie") == 2


async def test_a_file_is_sent_whole(yard: Yard) -> None:
    """A FileResponse is read in the process, ranges included."""
    (yard.root.parent / "large.bin").write_bytes(bytes(range(256)) * 1000)
    instance = await yard.start(
        f"""
        from starlette.responses import FileResponse
        async def handle(): return FileResponse({str(yard.root.parent / "large.bin")!r})
        """
    )
    status, fields, body = await sent(await yard.call(instance))
    assert (status, len(body), fields["content-length"]) == (200, 256_000, "256000")
    status, _, body = await sent(await yard.call(instance, headers={"range": "bytes=1-3"}))
    assert (status, body) == (206, b"\x01\x02\x03")


async def test_a_background_task_runs_after_the_answer(yard: Yard) -> None:
    """The caller has it before; the sending ends with the task."""
    mark = yard.root.parent / "mark"
    instance = await yard.start(
        f"""
        import asyncio
        from pathlib import Path
        from starlette.background import BackgroundTask
        from starlette.responses import Response
        mark = Path({str(mark)!r})
        async def later():
            mark.write_text("begun")
            while mark.read_text() != "go on": await asyncio.sleep(0.005)
            mark.write_text("done")
        shared = Response("now", background=BackgroundTask(later))
        async def handle(): return shared
        """
    )
    for _ in range(2):
        answer = await yard.call(instance)
        sending = asyncio.create_task(sent(answer))
        await until(lambda: mark.exists() and mark.read_text() == "begun")
        assert not sending.done()
        mark.write_text("go on")
        assert (await sending)[2] == b"now"
        assert mark.read_text() == "done"


@pytest.mark.parametrize(
    "home",
    [
        "async def handle():\n    return numbers()\nasync def numbers():\n    yield 1",
        "def handle():\n    return iter([1])",
        "from starlette.responses import StreamingResponse\nasync def handle(): return StreamingResponse(iter('ab'))",
    ],
)
async def test_a_stream_at_run_time_is_the_function_s_failure(yard: Yard, home: str) -> None:
    """It was not to be seen at load."""
    instance = await yard.start(home)
    with pytest.raises(FunctionFailed, match="stream"):
        await yard.call(instance)
    assert instance.is_alive


async def test_routes_are_checked_against_the_handler(yard: Yard) -> None:
    """Those of its settings are known; others are asked for."""
    instance = await yard.start("async def handle(id: int): return id", routes=(("/{id}", ("id",)),))
    await instance.check(("id",))
    with pytest.raises(ContractBroken, match=r"\{name\}, which is no argument") as caught:
        await instance.check(("name",))
    assert (caught.value.line, "rename the parameter" in caught.value.remedy) == (1, True)
    with pytest.raises(ContractBroken):
        await instance.prepare("/{id}/{name}", ("id", "name"))
    await instance.prepare("/other/{id}", ("id",))
    assert (await yard.call(instance, route="/other/{id}", params={"id": "7"})).body == b"7"


async def test_what_is_printed_is_a_line_of_the_log(yard: Yard) -> None:
    """And what is logged by ``logging``: both know their call; nothing goes to standard output by itself."""
    instance = await yard.start(
        """
        import logging
        async def handle():
            print("printed")
            logging.getLogger("shop").warning("logged")
        """
    )
    await yard.call(instance)
    await instance.stop(1.0)
    told = {event: (level, fields["logger"], fields["function"]) for level, event, fields in yard.logs.lines}
    assert told == {"printed": ("info", "stdout", "home"), "logged": ("warning", "shop", "home")}


async def test_the_first_call_is_measured(still_yard: Yard, clock: ManualClock, tmp_path: Path) -> None:
    """As a phase of its own, once: from the asking to the answer."""
    heard: list[float] = []
    instance = await still_yard.start(
        f"""
        import asyncio
        from pathlib import Path
        here = Path({str(tmp_path)!r})
        async def handle():
            (here / "began").touch()
            while not (here / "go").exists(): await asyncio.sleep(0.005)
        """
    )
    instance.on_first_call = lambda _, seconds: heard.append(seconds)
    calling = asyncio.create_task(still_yard.call(instance))
    await until((tmp_path / "began").exists)
    await clock.advance(3)
    (tmp_path / "go").touch()
    await calling
    await still_yard.call(instance)
    assert heard == [3.0]
