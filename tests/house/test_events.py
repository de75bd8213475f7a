"""Events through the whole house: over HTTP into functions of every kind, and what becomes of them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from bff.testing import AsyncClient, ManualClock, client

pytestmark = pytest.mark.anyio

Write = Callable[[Mapping[str, str | bytes]], Path]

NOTED = """
import json
from pathlib import Path

NOTES = Path({folder!r}) / "notes"


def note(**said):
    with NOTES.open("a") as file:
        file.write(json.dumps(said) + "\\n")
"""


class Notes:
    """What functions wrote down, a line of JSON each."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "notes"
        self.source = NOTED.format(folder=str(folder))

    def read(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.file.read_text().splitlines()] if self.file.exists() else []


@pytest.fixture
def notes(tmp_path: Path) -> Notes:
    return Notes(tmp_path)


def attributes(number: int | str = 1, kind: str = "t", **more: str) -> dict[str, str]:
    said = {"id": str(number), "source": "/tests", "type": kind, "specversion": "1.0", **more}
    return {f"ce-{name}": value for name, value in said.items()}


async def send(page: AsyncClient, number: int | str = 1, kind: str = "t", data: Any = None) -> httpx.Response:
    return await page.post("/events", json=data or {"n": number}, headers=attributes(number, kind))


async def test_an_event_reaches_the_functions_that_want_it(write_project: Write, notes: Notes) -> None:
    """Whatever their shape: a handler of CloudEvents, one of its data, an application, a plain def."""
    folder = write_project(
        {
            "routes.yaml": """\
                events: {path: /events}
                triggers:
                  a: {function: event}
                  b: {function: data}
                  c: {function: site}
                  d: {function: plain}
                  e: {function: data, filters: [{exact: {type: other}}]}
                """,
            "functions/_notes.py": notes.source,
            "functions/event.py": """\
                from bff import CloudEvent
                from ._notes import note
                async def handle(event: CloudEvent) -> None:
                    note(by="event", id=event.id, data=event.data, extensions=dict(event.extensions))
                """,
            "functions/data.py": """\
                from pydantic import BaseModel
                from ._notes import note
                class Order(BaseModel):
                    n: int
                async def handle(order: Order) -> None:
                    note(by="data", n=order.n)
                """,
            "functions/site.py": """\
                from starlette.requests import Request
                from starlette.responses import Response
                from ._notes import note
                async def app(scope, receive, send):
                    request = Request(scope, receive)
                    note(by="site", type=request.headers["ce-type"], n=(await request.json())["n"])
                    await Response(status_code=204)(scope, receive, send)
                """,
            "functions/plain.py": """\
                from bff import CloudEvent
                from ._notes import note
                def handle(event: CloudEvent) -> str:
                    note(by="plain", id=event.id)
                    return "an answer nobody reads"
                """,
        }
    )
    async with client(folder) as page:
        answer = await page.post("/events", json={"n": 7}, headers=attributes(7, tenant="t1"))
        assert answer.status_code == 202
        (told,) = answer.json()["events"]
        assert told["new"] is True
        await page.deliver()
    said = sorted(notes.read(), key=lambda note: note["by"])
    assert said == [
        {"by": "data", "n": 7},
        {"by": "event", "id": "7", "data": {"n": 7}, "extensions": {"tenant": "t1"}},
        {"by": "plain", "id": "7"},
        {"by": "site", "type": "t", "n": 7},
    ]


ONE = """\
events: {path: /events}
triggers:
  mail:
    filters: [{exact: {type: t}}]
    function: mail
    delivery: {retry: 3, backoffDelay: PT6H, backoffMax: P2D, deadLetterSink: letters}
  sent: {filters: [{exact: {type: mail.sent}}], function: sent}
"""
LETTERS = """\
from bff import CloudEvent
from ._notes import note
async def handle(event: CloudEvent) -> None:
    note(by="letters", id=event.id, data=event.data, **event.extensions)
"""
SENT = """\
from bff import CloudEvent
from ._notes import note
async def handle(event: CloudEvent) -> None:
    note(by="sent", id=event.id, source=event.source, subject=event.subject, data=event.data)
"""


def failing(times: int) -> str:
    return f"""\
from bff import CloudEvent, Context
from ._notes import NOTES, note
async def handle(ctx: Context, event: CloudEvent) -> None:
    key, attempt = ctx.request.headers["idempotency-key"], ctx.request.headers["bff-attempt"]
    note(by="mail", key=key, attempt=attempt)
    await ctx.publish("mail.sent", {{"to": event.data["n"]}}, subject="s")
    if int(attempt) <= {times}:
        raise RuntimeError("mail is down")
"""


def one(notes: Notes, mail: str) -> dict[str, str]:
    return {
        "routes.yaml": ONE,
        "functions/_notes.py": notes.source,
        "functions/mail.py": mail,
        "functions/letters.py": LETTERS,
        "functions/sent.py": SENT,
    }


async def test_a_day_of_retries_takes_milliseconds_and_what_failed_published_nothing(
    write_project: Write, notes: Notes
) -> None:
    """6 h, 12 h and 24 h later by a clock that leaps; one key for all attempts, one event from the last."""
    clock = ManualClock()
    async with client(write_project(one(notes, failing(3))), clock=clock) as page:
        assert (await send(page)).status_code == 202
        began = clock.now()
        await page.deliver()
        assert clock.now() - began == pytest.approx(42 * 3600, abs=60)
    said = notes.read()
    assert [note["attempt"] for note in said if note["by"] == "mail"] == ["1", "2", "3", "4"]
    (key,) = {note["key"] for note in said if note["by"] == "mail"}
    assert [note for note in said if note["by"] == "sent"] == [
        {"by": "sent", "id": f"{key}-1", "source": "/functions/mail", "subject": "s", "data": {"to": 1}}
    ]


async def test_what_cannot_be_delivered_goes_to_its_dead_letter_sink(
    write_project: Write, notes: Notes
) -> None:
    """After the last retry, with Knative's three words; nothing it published was stored."""
    async with client(write_project(one(notes, failing(9))), clock=ManualClock()) as page:
        await send(page, 5)
        await page.deliver()
    said = notes.read()
    assert Counter(note["by"] for note in said) == {"mail": 4, "letters": 1}
    letter = said[-1]
    assert (letter["data"], letter["knativeerrordest"], letter["knativeerrorcode"]) == (
        {"n": 5},
        "/functions/mail",
        "500",  # in binary mode attributes are text
    )
    assert letter["knativeerrordata"] == "Function mail raised an error."
    assert letter["id"].startswith("5.")


async def test_an_event_that_does_not_fit_is_dead_at_once(write_project: Write, notes: Notes) -> None:
    """422 does not get better by trying."""
    mail = "from ._notes import note\nasync def handle(data: dict[str, int]) -> None:\n    note(by='mail')\n"
    async with client(write_project(one(notes, mail)), clock=ManualClock()) as page:
        await send(page, data={"n": "text"})
        assert await page.deliver() == 0.0
    (letter,) = notes.read()
    assert letter["knativeerrorcode"] == "422"


@pytest.mark.parametrize(
    "mail",
    [
        "async def app(scope, receive, send):\n    raise ValueError('no')\n",
        "async def handle():\n    yield 'a'\n    raise ValueError('no')\n",
        "async def handle():\n    from starlette.responses import Response\n    return Response(status_code=503)\n",
        "import sys\nasync def handle():\n    sys.exit(1)\n",
    ],
)
async def test_whatever_a_function_does_its_delivery_ends(
    write_project: Write, notes: Notes, mail: str
) -> None:
    """It is tried as often as routes.yaml says, and then dead; the next event is delivered all the same."""
    async with client(write_project(one(notes, mail)), clock=ManualClock()) as page:
        await send(page, 1)
        await page.deliver()
        await send(page, 2)
        await page.deliver()
    assert [note["id"].split(".")[0] for note in notes.read()] == ["1", "2"]


async def test_a_function_that_hangs_is_ended_by_its_timeout(write_project: Write, notes: Notes) -> None:
    """`delivery.timeout`, which is not the function's own."""
    mail = "import asyncio\nasync def handle() -> None:\n    await asyncio.sleep(600)\n"
    files = one(notes, mail)
    files["routes.yaml"] = ONE.replace("retry: 3", "retry: 0, timeout: PT0.2S")
    async with client(write_project(files)) as page:
        await send(page, 1)
        await page.deliver()
    (letter,) = notes.read()
    assert letter["knativeerrorcode"] == "504"


async def test_the_same_event_twice_is_delivered_once(write_project: Write, notes: Notes) -> None:
    """By id and source; the second sender hears that all is well."""
    async with client(write_project(one(notes, failing(0))), clock=ManualClock()) as page:
        first, second = (await send(page), await send(page))
        assert (first.status_code, second.status_code) == (202, 202)
        assert second.json()["events"] == [{"key": first.json()["events"][0]["key"], "new": False}]
        await page.deliver()
    assert Counter(note["by"] for note in notes.read()) == {"mail": 1, "sent": 1}


async def test_a_process_delivers_and_publishes_as_well(write_project: Write, notes: Notes) -> None:
    """`isolation: process`: the event crosses as bytes, what is published comes back as some."""
    files = one(notes, failing(0))
    files["routes.yaml"] += "functions: {mail: {isolation: process}}\n"
    async with client(write_project(files)) as page:
        await send(page, 3)
        await page.deliver()
    assert [(note["by"], note.get("data")) for note in notes.read()] == [("mail", None), ("sent", {"to": 3})]


@pytest.mark.parametrize(
    ("shape", "call"),
    [
        ("async def handle(ctx: Context)", "await ctx.publish"),
        ("def handle(ctx: SyncContext)", "ctx.publish"),
    ],
)
async def test_a_page_publishes_too(write_project: Write, notes: Notes, shape: str, call: str) -> None:
    """From a request an event is stored when publish returns; whatever becomes of the request then."""
    files = one(notes, "") | {
        "functions/page.py": f"""\
            from bff import Context, SyncContext
            {shape} -> str:
                {call}("mail.sent", {{"to": 9}}, id="mine", tenant="t1")
                raise RuntimeError("after all")
            """,
    }
    files["routes.yaml"] += "routes: [{path: /page, function: page}]\n"
    async with client(write_project(files)) as page:
        assert (await page.get("/page")).status_code == 500
        await page.deliver()
    assert notes.read() == [
        {"by": "sent", "id": "mine", "source": "/functions/page", "subject": None, "data": {"to": 9}}
    ]


async def test_without_events_there_is_nothing_to_publish_to(write_project: Write) -> None:
    """It says so, rather than dropping what was said."""
    page = (
        "from bff import Context\nasync def handle(ctx: Context) -> str:\n    return await ctx.publish('a')\n"
    )
    files = {"routes.yaml": "routes: [{path: /page, function: page}]\n", "functions/page.py": page}
    async with client(write_project(files)) as caller:
        assert (await caller.get("/page")).json()["code"] == "no-events"


@pytest.mark.parametrize(
    ("headers", "body", "status", "why"),
    [
        ({"ce-id": "1"}, b"", 400, "source is missing; specversion is missing; type is missing"),
        ({"content-type": "application/cloudevents+avro"}, b"", 415, "ce-"),
        (
            {"content-type": "application/cloudevents-batch+json"},
            b'[{"id": ""}]',
            400,
            "event 0: id is missing",
        ),
        ({"content-type": "application/cloudevents+json"}, b"x" * 2_000_000, 413, "larger"),
    ],
)
async def test_what_is_no_event_is_refused_with_every_violation(
    write_project: Write, notes: Notes, headers: dict[str, str], body: bytes, status: int, why: str
) -> None:
    async with client(write_project(one(notes, failing(0)))) as page:
        answer = await page.post("/events", content=body, headers=headers)
        assert (answer.status_code, why in answer.json()["detail"]) == (status, True), answer.text
        assert (await page.get("/events")).status_code == 405


async def test_a_batch_is_stored_whole(write_project: Write, notes: Notes) -> None:
    async with client(write_project(one(notes, failing(0)))) as page:
        events = [
            {"id": str(n), "source": "/b", "type": "t", "specversion": "1.0", "data": {"n": n}}
            for n in range(5)
        ]
        kind = {"content-type": "application/cloudevents-batch+json"}
        answer = await page.post("/events", content=json.dumps(events), headers=kind)
        assert (answer.status_code, len(answer.json()["events"])) == (202, 5)
        await page.deliver()
    assert Counter(note["by"] for note in notes.read()) == {"mail": 5, "sent": 5}


async def test_the_moment_of_a_schedule_cannot_be_taken_from_outside(
    write_project: Write, notes: Notes
) -> None:
    """An event under its source and id would be that moment, and nothing would run."""
    files = one(notes, failing(0))
    files["routes.yaml"] += "schedules: {warm: {cron: '* * * * *', function: mail}}\n"
    async with client(write_project(files), clock=ManualClock()) as page:
        headers = {**attributes("2026-01-01T00:01:00Z"), "ce-source": "/schedules/warm"}
        refused = await page.post("/events", json={"n": 1}, headers=headers)
        assert (refused.status_code, "is one of this gateway's own" in refused.json()["detail"]) == (
            400,
            True,
        )
        assert (await page.post("/events", json={"n": 1}, headers=attributes(1))).status_code == 202


async def test_an_event_of_the_type_of_calls_is_none(write_project: Write, notes: Notes) -> None:
    """Whoever sends one finds no call under its key, and cannot end it as one."""
    files = one(notes, failing(0))
    files["routes.yaml"] = (
        "events: {path: /events}\ncalls: {functions: mail}\ntriggers: {all: {function: mail}}\n"
    )
    async with client(write_project(files), clock=ManualClock()) as page:
        sent = await send(page, 1, kind="bff.call")
        path = f"/calls/{sent.json()['events'][0]['key']}"
        assert [(await page.request(way, path)).status_code for way in ("GET", "DELETE")] == [404, 404]


async def test_a_full_backlog_is_503_before_anything_is_lost(write_project: Write, notes: Notes) -> None:
    files = one(notes, failing(9))
    files["routes.yaml"] = files["routes.yaml"].replace("path: /events", "path: /events, backlog: 1")
    async with client(write_project(files), clock=ManualClock()) as page:
        assert (await send(page, 1)).status_code == 202
        refused = await send(page, 2)
        assert (refused.status_code, refused.json()["code"]) == (503, "events-backlog-full")
        assert refused.headers["retry-after"] == "5"
        await page.deliver()
        assert (await send(page, 2)).status_code == 202


async def test_the_door_asks_who_calls_as_routes_do(write_project: Write, notes: Notes) -> None:
    """`events.auth`; without a path there is no door at all."""
    files = one(notes, failing(0))
    closed = files | {"routes.yaml": ONE.replace("events: {path: /events}\n", "")}
    digest = "sha256:" + "a" * 64
    files["routes.yaml"] = (
        ONE.replace("path: /events", "path: /events, auth: key")
        + f"auth: {{key: {{api_keys: {{header: x-key, keys: {{ann: {{digest: '{digest}'}}}}}}}}}}\n"
    )
    async with client(write_project(files)) as page:
        assert (await send(page)).status_code == 401
    async with client(write_project(closed)) as page:
        assert (await send(page)).status_code == 404


def test_without_triggers_nothing_of_the_room_is_imported(write_project: Write, tmp_path: Path) -> None:
    """In a whole house that has answered a call."""
    write_project(
        {
            "routes.yaml": "routes: [{path: /hello, function: hello}]\n",
            "functions/hello.py": "async def handle() -> str:\n    return 'hi'\n",
        }
    )
    story = f"""
import asyncio, sys
from bff.testing import client
async def main():
    async with client({str(tmp_path)!r}) as page:
        assert (await page.get("/hello")).text == "hi"
asyncio.run(main())
print(*[name for name in sys.modules if name.startswith("bff.events")])
"""
    done = subprocess.run([sys.executable, "-c", story], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr


async def test_a_schedule_runs_a_function_by_the_clock(write_project: Write, notes: Notes) -> None:
    """With its data, at its moments, and not beside a run that has not ended."""
    folder = write_project(
        {
            "routes.yaml": """\
                schedules:
                  warm: {cron: "0 * * * *", function: warm, data: {pages: 3}}
                """,
            "functions/_notes.py": notes.source,
            "functions/warm.py": """\
                from bff import CloudEvent
                from ._notes import note
                async def handle(event: CloudEvent) -> None:
                    note(id=event.id, source=event.source, pages=event.data["pages"])
                """,
        }
    )
    clock = ManualClock(wall=1_767_225_600.0 + 30)
    async with client(folder, clock=clock) as page:
        await page.deliver()
        for _ in range(2):
            await clock.leap(3_600)
            await page.deliver()
    ids = [f"2026-01-01T0{hour}:00:00Z" for hour in range(3)]
    assert [note["id"] for note in notes.read()] == ids, "the first was half a minute ago at the start"
    assert notes.read()[0] | {"id": ""} == {"id": "", "source": "/schedules/warm", "pages": 3}
