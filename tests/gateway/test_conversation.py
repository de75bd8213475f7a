"""WebSockets that functions speak on, over real sockets, with a client that is not ours."""

from __future__ import annotations

import contextlib
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.conftest import GatewayFactory, eventually, save
from tests.gateway.conftest import Served, ServeSamples

FUNCTIONS = """
async def connect(ws):
    await ws.accept()
    await ws.send_text("{version}")
    await ws.receive_text()
"""


@pytest.fixture(scope="module")
def served(module_samples: ServeSamples) -> Served:
    return module_samples("serve", section='  cors: {origins: ["http://allowed.example"]}')


@contextlib.contextmanager
def talking(served: Any, path: str = "/talk", **options: Any) -> Iterator[ClientConnection]:
    address = served.public.replace("http://", "ws://") + path
    usual: dict[str, Any] = {"open_timeout": 20, "close_timeout": 20, "ping_interval": None}
    with connect(address, proxy=None, **usual | options) as talk:
        yield talk


def refused(served: Served, path: str, **options: Any) -> Any:
    """The answer to an offer that is not agreed to."""
    with pytest.raises(InvalidStatus) as answer, talking(served, path, **options):
        pass
    return answer.value.response


def ended(talk: ClientConnection) -> tuple[int, str]:
    """How the gateway closed it."""
    with pytest.raises(ConnectionClosed) as closed:
        talk.recv(20)
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code, closed.value.rcvd.reason


def test_messages_go_both_ways_and_arguments_are_bound(served: Served) -> None:
    with talking(served, "/talk?room=7&tag=both", additional_headers={"x-request-id": "talk-both"}) as talk:
        talk.send("hello ü")
        assert talk.recv(20) == "7: hello ü"
        talk.send(b"\x00\xff" * 40_000)
        assert talk.recv(20) == b"\x00\xff" * 40_000
        talk.send(["in ", "frag", "ments"])
        assert talk.recv(20) == "7: in fragments"
        assert talk.ping().wait(20)
        head = talk.response
        assert head is not None
        assert head.headers["bff-revision"].startswith("talk-")
        assert head.headers["x-request-id"] == "talk-both"
        talk.close(4000, "done")
    line = served.log(request_id="talk-both")
    assert (line["status"], line["function"]) == (101, "talk")
    assert "error" not in line
    assert (served.notes / "both.code").read_text() == "4000"


def test_a_subprotocol_that_was_offered_can_be_chosen(served: Served) -> None:
    with talking(served, subprotocols=["other", "chat"]) as talk:  # type: ignore[list-item]
        assert talk.subprotocol == "chat"
    with talking(served, subprotocols=["other"]) as talk:  # type: ignore[list-item]
        assert talk.subprotocol is None


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("room=0", 422, "validation-failed"),
        ("room=many", 422, "validation-failed"),
        ("kind=refused", 404, "function-problem"),
        ("kind=closed at once", 403, "function-problem"),
        ("kind=mute", 500, "function-failed"),
    ],
)
def test_before_the_agreement_a_refusal_is_an_http_problem(
    served: Served, query: str, status: int, code: str
) -> None:
    answer = refused(served, f"/talk?{query.replace(' ', '%20')}")
    assert answer.status_code == status
    assert code in answer.body.decode()


def test_the_deadline_is_for_the_agreement(served: Served) -> None:
    assert refused(served, "/talk/hurried?kind=slow").status_code == 504


def test_whoever_offers_none_is_told_so(served: Served) -> None:
    answer = served.get("/talk")
    assert (answer.status_code, answer.json()["code"]) == (426, "upgrade-required")
    assert answer.headers["upgrade"] == "websocket"
    assert answer.headers["sec-websocket-version"] == "13"


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ("Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", 426),
        ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", 426),
        ("Sec-WebSocket-Version: 13\r\n", 400),
        ("Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n", 400),
    ],
)
def test_an_offer_is_made_by_the_rules(served: Served, fields: str, status: int) -> None:
    with served.wire() as wire:
        wire.say(
            f"GET /talk HTTP/1.1\r\nhost: bff\r\nupgrade: websocket\r\nconnection: upgrade\r\n{fields}\r\n"
        )
        assert wire.hear_answer().status == status


def test_pages_of_other_origins_may_not_open_one(served: Served) -> None:
    """With cookies or without: no preflight asks for them. Our own pages, and no page at all, may."""
    own = served.public
    assert refused(served, "/talk", origin="https://evil.example").status_code == 403
    assert refused(served, "/talk", origin="null").status_code == 403
    assert refused(served, "/talk", origin=f"{own}.evil.example").status_code == 403
    for origin in (own, "http://allowed.example", None):
        with talking(served, origin=origin) as talk:
            talk.send("hi")
            assert talk.recv(20) == "1: hi"


def test_who_calls_is_found_out_before(served: Served) -> None:
    assert refused(served, "/talk/guarded").status_code == 401
    with talking(served, "/talk/guarded", additional_headers={"x-api-key": "sesame"}) as talk:
        talk.send("hi")
        assert talk.recv(20) == "1: hi"


@pytest.mark.parametrize(
    ("kind", "code", "reason"),
    [
        ("broken", 1011, "function-failed"),
        ("problem", 1008, "function-problem"),
        ("policy", 4321, "by the house's rules"),
        ("late", 1011, "function-failed"),
    ],
)
def test_a_failure_has_a_close_code_and_its_problems_name(
    served: Served, kind: str, code: int, reason: str
) -> None:
    with talking(served, f"/talk?kind={kind}&tag={kind}-closed") as talk:
        assert ended(talk) == (code, reason)
    eventually((served.notes / f"{kind}-closed.ended").exists)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"\x81\xfe\x80\x00" + bytes(4) + b"x", 1009),  # announces 32 KiB of a message; 16 are allowed
        (b"\x82\xfe\x28\x00" + bytes(4), 1009),  # a frame of 10 KiB; 8 are allowed
        (b"\x81\x82\x00\x00\x00\x00\xff\xff", 1007),  # text that is no UTF-8
        (b"\x81\x02hi", 1002),  # not masked
        (b"\x80\x80\x00\x00\x00\x00", 1002),  # goes on with nothing
        (b"\xf1\x80\x00\x00\x00\x00", 1002),  # bits of an extension nobody agreed to
    ],
)
def test_what_breaks_the_rules_is_closed_with_the_reason(served: Served, sent: bytes, code: int) -> None:
    """RFC 6455 §7.4.1; the handler hears that it is over."""
    tag = f"rules-{sent[:4].hex()}"
    with served.wire() as wire:
        wire.say(
            f"GET /talk/small?tag={tag} HTTP/1.1\r\nhost: bff\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        assert b" 101 " in wire.hear_until(b"\r\n\r\n")
        wire.say(sent)
        head = wire.hear_bytes(2)
        assert head[0] == 0x88
        payload = wire.hear_bytes(head[1])
        assert int.from_bytes(payload[:2], "big") == code
    eventually((served.notes / f"{tag}.ended").exists)


def test_a_caller_who_is_gone_without_a_word_is_noticed(served: Served) -> None:
    """It answers no ping; the handler hears 1006."""
    with served.wire() as wire:
        wire.say(
            "GET /talk/pinged?tag=silent-end HTTP/1.1\r\nhost: bff\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        assert b" 101 " in wire.hear_until(b"\r\n\r\n")
        assert wire.hear_until(b"\x89\x00")  # a ping, which nobody answers
        eventually((served.notes / "silent-end.ended").exists)
    assert (served.notes / "silent-end.code").read_text() == "1006"


def test_a_caller_who_hangs_up_ends_the_handler(served: Served) -> None:
    with talking(served, "/talk?tag=hung-up") as talk:
        eventually((served.notes / "hung-up.open").exists)
        talk.socket.shutdown(socket.SHUT_RDWR)
    eventually((served.notes / "hung-up.ended").exists)


def test_an_idle_one_is_closed(served: Served) -> None:
    with talking(served, "/talk/idle") as talk:
        assert ended(talk) == (1001, "idle")


def test_one_that_lasts_too_long_is_closed(served: Served) -> None:
    with talking(served, "/talk/short") as talk:
        assert ended(talk) == (1001, "its time is over")


def test_a_handler_that_does_not_listen_holds_little(served: Served) -> None:
    """What it does not take is not read: the caller waits, not the gateway's memory."""
    served.get("/hello")
    before = served.rss()
    with talking(served, "/talk?kind=deaf&tag=deaf", close_timeout=0.5) as talk:
        talk.socket.settimeout(0.5)
        with contextlib.suppress(TimeoutError, OSError):
            for _ in range(200):
                talk.socket.sendall(b"\x82\xfe\xff\xff" + bytes(4) + bytes(65535))
        assert served.get("/hello").status_code == 200
        assert served.rss() - before < 20_000_000
        served.let_go("deaf")


def test_a_caller_that_does_not_read_stops_the_handler(served: Served) -> None:
    served.get("/hello")
    before = served.rss()
    with talking(served, "/talk?kind=flood&tag=flood", max_queue=1, close_timeout=0.5):
        for _ in range(20):
            assert served.get("/hello").status_code == 200
        assert served.rss() - before < 20_000_000


def test_an_application_speaks_too(served: Served) -> None:
    """Starlette's own routes, below the function's mount."""
    with talking(served, "/site/echo") as talk:
        talk.send("hi")
        assert talk.recv(20) == "site: hi"
    assert refused(served, "/site/pages/1").status_code == 403  # a page, and no WebSocket


def test_two_sockets_at_most_where_the_function_says_so(served: Served) -> None:
    """They count as calls that are inside."""
    with talking(served, "/talk/two?tag=first"), talking(served, "/talk/two?tag=second"):
        assert refused(served, "/talk/two/hurried?tag=third").status_code == 504
    with talking(served, "/talk/two?tag=fourth") as talk:
        talk.send("hi")
        assert talk.recv(20) == "1: hi"


def test_the_gateway_says_goodbye_when_it_ends(samples: ServeSamples) -> None:
    served = samples("serve", drain="60s")
    with talking(served, "/talk?tag=bye") as talk:
        eventually((served.notes / "bye.open").exists)
        served.process.send_signal(signal.SIGTERM)
        assert ended(talk) == (1001, "the gateway ends")
    assert served.process.wait(20) == 0
    assert (served.notes / "bye.code").read_text() == "1001"


def test_a_new_revision_takes_over_and_the_old_one_is_let_go(gateway: GatewayFactory, tmp_path: Any) -> None:
    """Who speaks with the old one is told to come again; the instance goes when its handlers have left."""
    (tmp_path / "functions").mkdir()
    (tmp_path / "routes.yaml").write_text("routes:\n- {path: /talk, function: talk}\n")
    save(tmp_path / "functions" / "talk.py", FUNCTIONS.format(version="one"))
    served = gateway(tmp_path, "dev")
    with talking(served) as talk:
        assert talk.recv(20) == "one"
        save(tmp_path / "functions" / "talk.py", FUNCTIONS.format(version="two"))
        assert ended(talk) == (1012, "there is a new revision")
    with talking(served) as talk:
        assert talk.recv(20) == "two"
        assert talk.response is not None
        assert talk.response.headers["bff-revision"] == "talk-dev-2"


def test_an_agreement_during_a_goodbye_ends_at_once(gateway: GatewayFactory, tmp_path: Any) -> None:
    """The handler was still thinking when its revision was replaced."""
    thinking = """
        import asyncio
        from pathlib import Path

        async def connect(ws):
            Path({note!r}).touch()
            while not Path({note!r} + ".go").exists():
                await asyncio.sleep(0.01)
            await ws.accept()
            await ws.receive_text()
        """
    note = tmp_path / "note"
    (tmp_path / "functions").mkdir()
    (tmp_path / "routes.yaml").write_text("routes:\n- {path: /talk, function: talk}\n")
    save(tmp_path / "functions" / "talk.py", thinking.format(note=str(note)))
    served = gateway(tmp_path, "dev")

    def replace() -> None:
        eventually(note.exists)
        save(tmp_path / "functions" / "talk.py", FUNCTIONS.format(version="two"))
        served.log("revision live", revision="talk-dev-2")
        Path(f"{note}.go").touch()

    with ThreadPoolExecutor(1) as beside:
        replaced = beside.submit(replace)
        with talking(served) as talk:
            assert ended(talk) == (1012, "there is a new revision")
        replaced.result(30)


def test_a_process_function_cannot_have_one(gateway: GatewayFactory, tmp_path: Any) -> None:
    """It is refused when it is loaded."""
    (tmp_path / "functions").mkdir()
    (tmp_path / "routes.yaml").write_text(
        "functions: {talk: {isolation: process}}\nroutes:\n- {path: /talk, function: talk}\n"
    )
    save(tmp_path / "functions" / "talk.py", FUNCTIONS.format(version="one"))
    served = gateway(tmp_path, "serve")
    answer = httpx.get(f"{served.public}/talk", trust_env=False, timeout=30)
    assert answer.json()["code"] == "function-not-loaded"
    assert served.wait_for(lambda line: "speaks on a WebSocket" in line)
