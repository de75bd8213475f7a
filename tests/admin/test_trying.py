"""A route tried from the admin listener is asked as its caller would ask it, and no further."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bff.admin import trying
from bff.admin.desk import Public
from bff.admin.exchange import Exchange, scope_of
from bff.admin.tryrequest import curl, field_of, target_of
from bff.admin.tryshapes import TryAnswerShape
from bff.errors import BadRequest
from bff.testing import ManualClock
from tests.admin.conftest import READER, Asking, admin_office, no_routes

pytestmark = pytest.mark.anyio


class Echo:
    """A public side that tells what it was asked; what it has ``seen`` too."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        message = await receive()
        self.seen.append({**scope, "body": message["body"], "more": message["more_body"]})
        fields = [(b"content-type", b"text/plain"), (b"x-given", b"\xe9")]
        await send({"type": "http.response.start", "status": 201, "headers": fields})
        await send({"type": "http.response.body", "body": b"well ", "more_body": True})
        await send({"type": "http.response.body", "body": b"done"})


async def odd(scope: Any, _receive: Any, send: Any) -> None:
    """What it does is said by the path."""
    kind = scope["path"].strip("/")
    if kind == "hangs":
        await asyncio.Event().wait()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    piece = {"bytes": b"\xff\xfe", "floods": b"a" * 100_000, "accents": "é".encode() * 600_000}.get(
        kind, b"x"
    )
    while kind == "floods":
        await send({"type": "http.response.body", "body": piece, "more_body": True})
        await asyncio.sleep(0)
    await send({"type": "http.response.body", "body": piece, "more_body": kind == "breaks"})


def public(app: Any) -> Public:
    return Public(app=app, url=lambda: "http://127.0.0.1:8000", document=no_routes)


async def tried(asking: Asking, path: str) -> TryAnswerShape:
    answer = await asking("POST", "/v1/tries/reading", json={"path": path})
    assert answer.status_code == 200, answer.text
    return TryAnswerShape.model_validate(answer.json())


async def test_it_is_asked_as_its_caller_would(anyio_backend: str) -> None:
    """With the headers and the body that were given, and from no address; what comes is told whole."""
    echo = Echo()
    async with admin_office(public=public(echo)) as asking:
        body = {
            "method": "post",
            "path": "/a%2Fb/%C3%A9?x=1%202",
            "headers": {"X-Given": "é", "Authorization": "Bearer abc"},
            "body": '{"a": "ü"}',
        }
        told = TryAnswerShape.model_validate((await asking.write("POST", "/v1/tries", json=body)).json())
    [seen] = echo.seen
    assert (seen["method"], seen["path"], seen["raw_path"]) == ("POST", "/a/b/é", b"/a%2Fb/%C3%A9")
    assert (seen["query_string"], seen["client"]) == (b"x=1%202", None)
    fields = dict(seen["headers"])
    assert (fields[b"host"], fields[b"x-given"]) == (b"127.0.0.1:8000", b"\xe9")
    assert (fields[b"authorization"], fields[b"content-length"]) == (b"Bearer abc", b"11")
    assert (seen["body"], seen["more"]) == ('{"a": "ü"}'.encode(), False)
    assert fields[b"x-request-id"] == told.request_id.encode()
    assert (told.status, told.body, told.size, told.cut) == (201, "well done", 9, "")
    assert told.headers == [("content-type", "text/plain"), ("x-given", "é")]
    assert "$AUTHORIZATION" in told.curl
    assert "abc" not in told.curl
    [write] = asking.heard
    assert "abc" not in str(write.detail)  # nor in the audit log


async def test_who_may_only_read_may_try_only_what_reads(anyio_backend: str) -> None:
    """A GET without a token where reads need none; anything else with one that may write."""
    async with admin_office(public=public(Echo())) as asking:
        assert (await tried(asking, "/")).status == 201
        assert (await asking("POST", "/v1/tries", json={"path": "/"})).status_code == 401
        assert (await asking("POST", "/v1/tries", token=READER, json={"path": "/"})).status_code == 403
        wrong = await asking("POST", "/v1/tries/reading", json={"path": "/", "method": "DELETE"})
        assert (wrong.status_code, "POST /v1/tries" in wrong.json()["detail"]) == (400, True)
        smuggled = await asking("POST", "/v1/tries/reading", json={"path": "/", "body": "x"})
        assert smuggled.status_code == 422


async def test_an_answer_is_kept_as_far_as_it_can_be_shown(
    anyio_backend: str,
) -> None:
    """Bytes that are no text, one without end, one that breaks off."""
    async with admin_office(public=public(odd)) as asking:
        told = await tried(asking, "/bytes")
        assert (told.body, told.size, told.cut) == (None, 2, "")
        told = await tried(asking, "/floods")
        assert (told.body and len(told.body), told.cut) == (trying.LARGEST_ANSWER, "size")
        told = await tried(asking, "/accents")  # cut within none of its characters
        assert (told.body and len(told.body), told.cut) == (trying.LARGEST_ANSWER // 2, "size")
        assert (await tried(asking, "/breaks")).cut == "broken"


async def test_an_answer_that_does_not_come_is_given_up() -> None:
    """The application is cancelled, as by a caller that leaves."""
    clock = ManualClock()
    exchange = Exchange(b"", most=100)
    running = asyncio.ensure_future(
        exchange.run(odd, scope_of("GET", "/hangs", []), clock=clock, within=60.0)
    )
    await clock.advance(61.0)
    answered = await running
    assert (answered.status, answered.cut) == (None, "time")


async def test_so_many_are_tried_at_the_same_time(anyio_backend: str) -> None:
    """The next one is told to come again."""
    inside = asyncio.Semaphore(0)

    async def hangs(_scope: Any, _receive: Any, _send: Any) -> None:
        inside.release()
        await asyncio.Event().wait()

    async with admin_office(public=public(hangs)) as asking:
        ask = [asyncio.create_task(tried(asking, "/")) for _ in range(trying.MOST)]
        for _ in ask:
            await inside.acquire()
        busy = await asking("POST", "/v1/tries/reading", json={"path": "/"})
        assert (busy.status_code, busy.json()["code"]) == (503, "admin-busy")
        for task in ask:
            task.cancel()
        await asyncio.gather(*ask, return_exceptions=True)


@pytest.mark.parametrize("path", ["x", "//x y", "/a#b", "/é", '/"', "/a\r\nx: y", ""])
async def test_what_can_be_no_path_is_refused(path: str) -> None:
    """With how it is written."""
    with pytest.raises(BadRequest, match="percent-encoded"):
        target_of(path)


@pytest.mark.parametrize(
    ("name", "value"),
    [("a b", "x"), ("", "x"), ("host", "x"), ("Content-Length", "1"), ("connection", "close"), ("x", "a\r\nb: c"),
     ("x", "a\0"), ("x", "\u20ac")],
)  # fmt: skip
async def test_what_can_be_no_header_is_refused(name: str, value: str) -> None:
    """Among it what would be another header, and what frames the request."""
    with pytest.raises(BadRequest):
        field_of(name, value)


async def test_it_is_shown_as_a_command() -> None:
    """Fit to be pasted into a shell, whatever is in it."""
    said = curl("POST", "http://h:1", "/a?b='c'", {"x-name": "it's"}, b'{"a": 1}')
    assert said == (
        "curl -sS -i -X POST -H 'x-name: it'\"'\"'s' --data-binary '{\"a\": 1}' 'http://h:1/a?b='\"'\"'c'\"'\"''"
    )
    assert curl("GET", "http://h:1", "/", {}, b"") == "curl -sS -i http://h:1/"
    assert curl("HEAD", "http://h:1", "/", {}, b"").split()[3] == "--head"
