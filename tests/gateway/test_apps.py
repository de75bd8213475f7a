"""ASGI applications as functions, mounted below a wildcard."""

from __future__ import annotations

import httpx
import pytest

from tests.conftest import eventually
from tests.gateway.conftest import Served, ServeSamples


def test_an_application_sees_itself_at_its_mount(served: Served) -> None:
    """root_path, links it makes, its own routes and the lifespan's state are as under any server."""
    said = served.get("/site/where").json()
    assert said["root_path"] == "/site"
    assert said["path"] == "/site/where"
    assert said["url"] == f"{served.public}/site/where"
    assert said["started"] is True


def test_its_own_404_and_405_are_its_own(served: Served) -> None:
    for path in ("/site/nowhere", "/site/"):  # it has no front page
        answer = served.get(path)
        assert (answer.status_code, answer.text) == (404, "Not Found")
    assert served.get("/site/upload").status_code == 405


def test_its_answers_carry_what_every_functions_do(served: Served) -> None:
    """Revision, timing and request id are the gateway's, and an application cannot forge them."""
    answer = served.get("/site/cookies", headers={"x-request-id": "mine"})
    assert answer.headers["bff-revision"] == "site-00001"
    assert "server-timing" in answer.headers
    assert answer.headers.get_list("x-request-id") == ["mine"]
    assert answer.headers.get_list("set-cookie") == ["a=1; Path=/; SameSite=lax", "b=2; Path=/; SameSite=lax"]


def test_its_body_limit_is_the_routes(served: Served) -> None:
    """413 whatever the application makes of a cut body; at the limit it gets everything."""
    assert served.client.post("/site/upload", content=b"x" * 65536).text == "65536"
    answer = served.client.post("/site/upload", content=b"x" * 65537)
    assert answer.status_code == 413
    assert answer.json()["type"] == "/problems/body-too-large"

    def pieces():
        for _ in range(5):
            yield b"x" * 16384

    answer = served.client.post("/site/upload", content=pieces())
    assert answer.json()["type"] == "/problems/body-too-large"


def test_its_own_error_page_is_sent_and_its_error_logged(served: Served) -> None:
    answer = served.get("/site/breaks")
    assert (answer.status_code, answer.text) == (500, "Internal Server Error")
    line = served.log(request_id=answer.headers["x-request-id"])
    assert line["fault"] == "function"
    assert "secret detail 4711" in "".join(line["traceback"])


def test_a_failure_in_the_middle_of_its_answer_is_a_cut_body(served: Served) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        served.get("/site/halfway")


@pytest.mark.parametrize("mistake", ["silent", "crlf", "status", "texts", "body-first"])
def test_an_application_that_breaks_the_protocol_is_a_500(served: Served, mistake: str) -> None:
    """The caller always gets a problem document, never half a head or a field of somebody else's making."""
    answer = served.get(f"/bare/{mistake}")
    assert answer.status_code == 500
    assert answer.json()["type"] == "/problems/function-failed"
    assert "set-cookie" not in answer.headers
    assert served.log(request_id=answer.headers["x-request-id"])["fault"] == "function"


@pytest.mark.parametrize("mistake", ["twice", "unfinished", "head-only"])
def test_an_application_that_stops_in_the_middle_is_seen_to(served: Served, mistake: str) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        served.get(f"/bare/{mistake}")


def test_an_error_after_the_whole_answer_harms_nobody(served: Served) -> None:
    """The answer was complete: it arrives, the connection lives on, the error is in the log."""
    with served.wire() as wire:
        wire.say("GET /bare/late HTTP/1.1\r\nhost: bff\r\nx-request-id: late\r\n\r\n")
        assert wire.hear_until(b"0\r\n\r\n").endswith(b"4\r\nfine\r\n0\r\n\r\n")
        wire.say("GET /hello HTTP/1.1\r\nhost: bff\r\n\r\n")
        assert wire.hear_answer().status == 200
    assert served.log(request_id="late")["fault"] == "function"


LIFE = """
from pathlib import Path

NOTES = {notes!r}

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            with Path(NOTES).open("a") as file:
                print(message["type"], file=file)
            await send({{"type": message["type"] + ".complete"}})
            if message["type"] == "lifespan.shutdown":
                return
    await send({{"type": "http.response.start", "status": 200, "headers": []}})
    await send({{"type": "http.response.body", "body": b"alive"}})
"""


def test_startup_and_shutdown_run_once_each(gateway, write_project, tmp_path) -> None:
    """Startup at the first call, not before; shutdown when the gateway ends."""
    notes = tmp_path / "notes.txt"
    folder = write_project(
        {
            "routes.yaml": "routes: [{path: '/{rest:path}', function: site}]\n",
            "functions/site.py": LIFE.format(notes=str(notes)),
        }
    )
    running = gateway(folder)
    assert running.get("/health/liveness").status_code == 200
    assert not notes.exists()
    for _ in range(2):
        assert running.get("/any/thing").text == "alive"
    assert notes.read_text().split() == ["lifespan.startup"]
    assert running.stop() == 0
    assert notes.read_text().split() == ["lifespan.startup", "lifespan.shutdown"]


def test_a_new_revision_has_its_own_lifespan(gateway, write_project, tmp_path) -> None:
    """A save in dev starts the new application before it serves, and shuts the old one down."""
    notes = tmp_path / "notes.txt"
    folder = write_project(
        {
            "routes.yaml": "routes: [{path: '/{rest:path}', function: site}]\n",
            "functions/site.py": LIFE.format(notes=str(notes)),
        }
    )
    running = gateway(folder, "dev")
    running.get("/x")
    (folder / "functions" / "site.py").write_text(LIFE.format(notes=str(notes)).replace("alive", "anew"))
    eventually(lambda: running.get("/x").text == "anew")
    eventually(lambda: notes.read_text().split() == ["lifespan.startup"] * 2 + ["lifespan.shutdown"])


def test_a_wildcard_at_the_root_has_no_root_path(samples: ServeSamples) -> None:
    running = samples()
    text = (running.folder / "routes.yaml").read_text()
    (running.folder / "routes.yaml").write_text(text.replace("/site/{rest:path}", "/{rest:path}"))
    running.log("routes.yaml applied")
    said = running.get("/where").json()
    assert (said["root_path"], said["path"]) == ("", "/where")
