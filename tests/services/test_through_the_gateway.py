"""What a caller of the whole gateway sees when services and functions misbehave: real processes and sockets."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

FUNCTIONS = {
    "page": """
        from bff import Context, gather, optional

        async def handle(ctx: Context, part: str = "/ok", notices: str = "/ok") -> dict:
            users = ctx.services.users
            first, second = await gather(users.get(part), optional(users.get(notices), default=None))
            return {"first": first.json(), "second": second is not None}
    """,
    "shapes": """
        from http import HTTPStatus

        async def handle(what: str) -> object:
            return {
                "created": ({"a": 1}, HTTPStatus.CREATED),
                "no content": ({"a": 1}, 204),
                "text": "hi",
            }[what]
    """,
    "form": """
        from typing import Annotated
        from bff import Form

        async def handle(name: Annotated[str, Form()]) -> str:
            return name
    """,
    "event": """
        from bff import CloudEvent

        async def handle(event: CloudEvent) -> dict:
            return {"id": event.id, "subject": event.subject}
    """,
    "raw": """
        from starlette.requests import Request

        async def handle(request: Request) -> dict:
            return await request.json()
    """,
    "asgi": """
        async def handle(scope, receive, send):
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": scope["path"].encode()})
    """,
    "counter": """
        class Counter:
            async def __call__(self, to: int):
                for number in range(to):
                    yield {"n": number}

        handle = Counter()
    """,
}


class Users(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        status = int(self.path[1:]) if self.path[1:].isdigit() else 200
        body = b"<html>s3cret" if self.path == "/html" else b'{"users": 1}'
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.send_header("retry-after", "7")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture(scope="module")
def users() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Users)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def house(module_gateway: Callable[..., Any], module_project: Callable[..., Any], users: str) -> Any:
    """One gateway with all of the functions above."""
    routes = "\n".join(
        f"  - {{path: /{name}, methods: [GET, POST], function: {name}, timeout: 60s}}" for name in FUNCTIONS
    )
    files = {f"functions/{name}.py": text for name, text in FUNCTIONS.items()}
    config = f"services:\n  users: {{url: '{users}', timeout: 60s}}\nroutes:\n{routes}\n"
    return module_gateway(module_project({"routes.yaml": config, **files}))


@pytest.mark.parametrize(
    ("part", "status", "fault", "code"),
    [
        ("/404", 404, "caller", "service-refused"),
        ("/410", 404, "caller", "service-refused"),
        ("/401", 502, "gateway", "service-refused"),
        ("/409", 409, "caller", "service-refused"),
        ("/429", 429, "caller", "service-refused"),
        ("/400", 502, "function", "service-refused"),
        ("/500", 502, "service", "service-refused"),
        ("/503", 503, "service", "service-refused"),
        ("/html", 502, "service", "service-body-invalid"),
        ("/../x", 500, "function", "bad-service-path"),
    ],
)
def test_a_required_parts_failure_is_the_pages(
    house: Any, part: str, status: int, fault: str, code: str
) -> None:
    """Status and fault as the table has them, the service named, its body never shown, nothing stored."""
    answer = house.get("/page", params={"part": part})
    problem = answer.json()
    assert (answer.status_code, problem["fault"], problem["status"]) == (status, fault, status)
    assert problem["code"] == code
    assert "users" in problem["detail"]
    assert "s3cret" not in answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers.get("retry-after") == ("7" if status in (409, 429, 503) else None)


@pytest.mark.parametrize("notices", ["/404", "/401", "/500"])
def test_an_optional_parts_failure_is_a_part_missing(house: Any, notices: str) -> None:
    """The page goes out, says what is missing, and is not to be stored."""
    answer = house.get("/page", params={"notices": notices})
    assert (answer.status_code, answer.json()) == (200, {"first": {"users": 1}, "second": False})
    fields = ("bff-complete", "bff-missing", "cache-control")
    assert [answer.headers[name] for name in fields] == ["false", "users", "no-store"]
    whole = house.get("/page")
    assert (whole.headers["bff-complete"], "bff-missing" in whole.headers) == ("true", False)


def test_nobody_asks_for_a_fault_outside_dev(house: Any) -> None:
    """The header of front-end developers is nothing to ``bff serve``."""
    answer = house.get("/page", headers={"bff-fault": "users=abort"})
    assert (answer.status_code, answer.headers["bff-complete"]) == (200, "true")


def test_statuses_and_bodies_agree(house: Any) -> None:
    """HTTPStatus is a status; 204 has no body, and the connection goes on."""
    created = house.get("/shapes", params={"what": "created"})
    assert (created.status_code, created.json()) == (201, {"a": 1})
    with house.wire() as wire:
        for _ in range(2):
            wire.say("GET /shapes?what=no%20content HTTP/1.1\r\nhost: a\r\n\r\n")
            heard = wire.hear_answer(head_only=True)
            assert (heard.status, heard.headers.get("content-length")) == (204, None)
        wire.say("GET /shapes?what=text HTTP/1.1\r\nhost: a\r\n\r\n")
        assert wire.hear_answer().body == b"hi"


@pytest.mark.parametrize(
    ("path", "headers", "body"),
    [
        ("/form", {"content-type": "multipart/form-data"}, b"x"),
        ("/form", {"content-type": "multipart/form-data; boundary=e"}, b"no"),
        ("/raw", {"content-type": "application/json"}, b"{"),
        ("/raw", {"content-type": "application/json"}, b"[" * 100_000),
        (
            "/event",
            {"ce-id": "1", "ce-source": "s", "ce-type": "t", "ce-specversion": "1.0", "ce-subject": "%ff"},
            b"",
        ),
        ("/event", {"content-type": "application/cloudevents+json"}, b'{"id": 1}'),
    ],
    ids=["no boundary", "other boundary", "cut JSON", "deep JSON", "ce- not UTF-8", "no event"],
)
def test_a_callers_mistake_is_never_a_5xx(
    house: Any, path: str, headers: dict[str, str], body: bytes
) -> None:
    """Broken forms, raw JSON and events are 400 and the caller's fault."""
    answer = house.client.post(path, headers=headers, content=body)
    assert (answer.status_code, answer.json()["fault"]) == (400, "caller")


def test_a_module_may_offer_asgi_as_its_handle(house: Any) -> None:
    """``handle(scope, receive, send)``, without ``new()``."""
    answer = house.get("/asgi")
    assert (answer.status_code, answer.text) == (200, "/asgi")


def test_a_callable_object_may_stream(house: Any) -> None:
    """``async def __call__`` with ``yield`` is a stream."""
    answer = house.get("/counter", params={"to": 3})
    assert [json.loads(line) for line in answer.text.splitlines()] == [{"n": 0}, {"n": 1}, {"n": 2}]
