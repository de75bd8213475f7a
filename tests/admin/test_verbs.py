"""What can be read and moved through the admin API, and what is refused with which words."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from bff.admin.describing import CannotDescribe
from bff.clock import SystemClock
from bff.revisions.snapshot import Snapshot
from bff.revisions.store.database import Session
from bff.revisions.store.failures import StoreUnavailable
from bff.revisions.store.records import Published
from bff.revisions.store.sqlite import SQLite
from tests.admin.conftest import Asking, admin_office, turned

pytestmark = pytest.mark.anyio

ONE = "/v1/functions/hello"
PACKED = {"content-type": "application/vnd.bff.archive"}


def block(**shares: int) -> dict[str, Any]:
    """``block(hello_00001=90)``."""
    names = {name.replace("_", "-"): percent for name, percent in shares.items()}
    return {"traffic": [{"revisionName": name, "percent": percent} for name, percent in names.items()]}


async def version(asking: Asking) -> str:
    return str((await asking("GET", f"{ONE}/traffic")).headers["etag"])


async def test_traffic_is_read_changed_and_read_again(asking: Asking) -> None:
    """Knative's block, its version as ETag, and the change in the history with who and why."""
    await asking.publish("one", "two")
    before = await asking("GET", f"{ONE}/traffic")
    assert before.json()["traffic"] == [{"latestRevision": True, "percent": 100}]
    assert before.headers["etag"] == f'"{before.json()["version"]}"'
    body = block(hello_00001=90, hello_00002=10) | {"why": "slowly"}
    moved = await asking.write(
        "PUT", f"{ONE}/traffic", json=body, headers={"if-match": before.headers["etag"]}
    )
    assert (moved.status_code, moved.json()["traffic"]) == (200, body["traffic"])
    assert moved.headers["etag"] != before.headers["etag"]
    assert await version(asking) == moved.headers["etag"]
    entry = (await asking("GET", f"{ONE}/history")).json()[0]
    assert (entry["who"], entry["why"], entry["after"]) == ("local", "slowly", body["traffic"])
    listed = (await asking("GET", f"{ONE}/revisions")).json()
    assert [(each["name"], each["percent"], each["latest"]) for each in listed] == [
        ("hello-00002", 10, True),
        ("hello-00001", 90, False),
    ]


async def test_a_change_based_on_old_news_changes_nothing(asking: Asking) -> None:
    """428 without If-Match, 412 with one that is not so any more, and the version that it is at."""
    await asking.publish("one", "two")
    etag = await version(asking)
    missing = await asking.write("PUT", f"{ONE}/traffic", json=block(hello_00001=100))
    assert (missing.status_code, missing.json()["code"]) == (428, "version-required")
    assert await version(asking) == etag
    first = await asking.write(
        "PUT", f"{ONE}/traffic", json=block(hello_00001=100), headers={"if-match": etag}
    )
    assert first.status_code == 200
    for said in (etag, '"x"', 'W/"1"', "1"):
        late = await asking.write(
            "PUT", f"{ONE}/traffic", json=block(hello_00002=100), headers={"if-match": said}
        )
        assert (late.status_code, late.json()["code"]) == (412, "version-moved"), said
    several = {"if-match": f'{etag}, "9"'}
    answer = await asking.write("PUT", f"{ONE}/traffic", json=block(hello_00002=100), headers=several)
    assert answer.status_code == 400
    assert await version(asking) == first.headers["etag"]
    whatever = await asking.write(
        "PUT", f"{ONE}/traffic", json=block(hello_00002=100), headers={"if-match": "*"}
    )
    assert whatever.status_code == 200
    held = await asking.write(
        "POST", f"{ONE}/rollback", json={"to": "hello-00001"}, headers={"if-match": etag}
    )
    assert held.status_code == 412
    assert held.json()["version"] == whatever.json()["version"]


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (block(hello_00001=90, hello_00002=5), 422, "sum up to 95"),
        (block(hello_00001=100, hello_00009=0), 404, "hello-00009"),
        ({"traffic": [{"revisionName": "hello-00001", "percent": 100, "tag": "Not A Tag"}]}, 422, "tag"),
        (
            {"traffic": [{"revisionName": "hello-00001", "latestRevision": True, "percent": 100}]},
            422,
            "either",
        ),
        ({"traffic": [{"revisionName": "hello-00001", "percent": "100"}]}, 422, "whole number"),
        ({"traffic": [{"revisionName": "hello-00001", "precent": 100}]}, 422, "precent"),
        ({"traffic": "all"}, 422, "list of targets"),
        ({"traffic": []}, 422, "sum up to 0"),
        ({"trafic": []}, 422, "did not fit"),
        ({}, 422, "did not fit"),
        ([], 422, "did not fit"),
        ({"traffic": [], "why": "x" * 501}, 422, "did not fit"),
    ],
)
async def test_traffic_that_cannot_be_is_refused_with_the_reason(
    asking: Asking, body: Any, status: int, words: str
) -> None:
    await asking.publish("one", "two")
    etag = await version(asking)
    answer = await asking.write("PUT", f"{ONE}/traffic", json=body, headers={"if-match": etag})
    assert answer.status_code == status, answer.text
    assert words in answer.json()["detail"]
    assert answer.headers["content-type"] == "application/problem+json"
    assert await version(asking) == etag


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b'{"traffic": [], "traffic": []}', "application/json", 400),
        (b'{"traffic": [NaN]}', "application/json", 400),
        (b'{"traffic": "\xff"}', "application/json", 400),
        (b"[" * 100_000, "application/json", 413),
        (b"[" * 5_000, "application/json", 400),
        (b"{}", "text/plain", 415),
        (b"{}", "", 415),
        (b"x" * 70_000, "application/json", 413),
    ],
)
async def test_a_body_is_small_and_strict_json(
    asking: Asking, content: bytes, kind: str, status: int
) -> None:
    headers = {"content-type": kind, "if-match": "*"} if kind else {"if-match": "*"}
    answer = await asking.write("PUT", f"{ONE}/traffic", content=content, headers=headers)
    assert answer.status_code == status, answer.text


async def test_an_endless_body_is_cut_off(asking: Asking) -> None:
    """Its length is counted, whatever it says of itself."""

    async def endless() -> Any:
        for _ in range(1000):
            yield b" " * 1024

    headers = {"content-type": "application/json", "if-match": "*"}
    answer = await asking.write("PUT", f"{ONE}/traffic", content=endless(), headers=headers)
    assert answer.status_code == 413


@pytest.mark.parametrize(
    "query",
    [
        "?limit=0",
        "?limit=501",
        "?limit=x",
        "?limit=-1",
        "?limit=1&limit=2",
        "?limitt=1",
        "?limit",
        "?a=%ff",
        "?limit=%D9%A3",
    ],
)
async def test_a_query_is_read_strictly(asking: Asking, query: str) -> None:
    """What is unknown, doubled or no number is refused, not ignored."""
    assert (await asking("GET", f"{ONE}/history{query}")).status_code == 400


async def test_what_is_not_there_is_said_with_what_was_meant(asking: Asking) -> None:
    """A function, a revision, a page."""
    for path in ("/v1/functions/helo", "/v1/functions/helo/traffic", "/v1/functions/helo/history"):
        answer = await asking("GET", path)
        assert answer.status_code == 404
        assert "did you mean hello?" in answer.json()["detail"]
    await asking.publish("one")
    missing = await asking("GET", f"{ONE}/revisions/hello-00009")
    assert (missing.status_code, missing.json()["code"]) == (404, "no-such-revision")
    assert "hello-00001" in missing.json()["detail"]
    assert "/openapi.json" in (await asking("GET", "/v2")).json()["detail"]


async def test_options_and_unknown_methods(asking: Asking) -> None:
    """What a path allows is said; nothing is allowed to other origins."""
    answer = await asking("OPTIONS", f"{ONE}/traffic")
    assert (answer.status_code, answer.headers["allow"]) == (204, "GET, HEAD, OPTIONS, PUT")
    assert not any(name.startswith("access-control") for name in answer.headers)
    refused = await asking("DELETE", f"{ONE}/traffic")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD, OPTIONS, PUT")


async def test_a_revision_shows_its_files_and_settings(asking: Asking) -> None:
    """Text as text; what is none, or too long, by its size."""
    files = {
        "hello/__init__.py": "async def handle(): ...\n",
        "hello/logo.png": b"\x89PNG\0",
        "hello/big.txt": "x" * 300_000,
    }
    answer = await asking.write("POST", f"{ONE}/revisions", content=asking.packed(files), headers=PACKED)
    assert answer.status_code == 201
    shown = (await asking("GET", answer.headers["location"])).json()
    assert shown["settings"] == {"timeout": 10.0}
    assert [(each["path"], each["size"], each["text"]) for each in shown["files"]] == [
        ("hello/__init__.py", 24, "async def handle(): ...\n"),
        ("hello/big.txt", 300_000, None),
        ("hello/logo.png", 5, None),
    ]


async def test_a_deploy_is_the_same_revision_again(asking: Asking) -> None:
    """201 for a new one, 200 for files that were published before; note, author and origin are kept."""
    content = asking.packed({"hello.py": "one"})
    first = await asking.write(
        "POST",
        f"{ONE}/revisions",
        params={"note": "first", "tag": "candidate"},
        content=content,
        headers=PACKED,
    )
    again = await asking.write("POST", f"{ONE}/revisions", content=content, headers=PACKED)
    assert (first.status_code, again.status_code) == (201, 200)
    assert (first.json()["new"], again.json()["new"]) == (True, False)
    told = first.json()["revision"]
    assert told == again.json()["revision"]
    assert (told["author"], told["origin"], told["note"], told["tags"]) == (
        *("local", "deploy", "first"),
        ["candidate"],
    )


async def test_an_upload_is_bounded_and_named(asking: Asking) -> None:
    """Only a zip, only so long, only with what the query may say."""
    for options, status in (
        ({"content": b"x", "headers": {"content-type": "text/plain"}}, 415),
        ({"content": b"x", "headers": {**PACKED, "content-length": str(80 * 2**20)}}, 413),
        ({"content": b"x", "headers": PACKED, "params": {"note": "x" * 501}}, 400),
        ({"content": b"x", "headers": PACKED, "params": {"traffic": "no"}}, 400),
    ):
        answer = await asking.write("POST", f"{ONE}/revisions", **options)
        assert answer.status_code == status, options


async def test_a_diff_tells_lines_settings_and_what_the_handler_takes(tmp_path: Path) -> None:
    """Files as unified diffs; schemas as sentences; a revision that cannot be imported says why."""

    async def describe(kept: Published, taken: Snapshot) -> dict[str, Any]:
        if b"broken" in taken.files["hello.py"]:
            raise CannotDescribe("it does not import")
        kind = "integer" if b"two" in taken.files["hello.py"] else "string"
        return {"parameters": {"name": {"type": kind}}, "returns": {"type": "string"}}

    async with admin_office(tmp_path, describe=describe) as asking:
        await asking.publish("one\nsame\n", "two\nsame\n", "broken")
        path = f"{ONE}/diff?from=hello-00001&to=hello-00002"
        found = (await asking("GET", path)).json()
        assert (found["from"], found["to"], found["same"]) == ("hello-00001", "hello-00002", False)
        (file,) = found["files"]
        assert (file["path"], file["change"]) == ("hello.py", "changed")
        assert file["diff"].splitlines() == [
            *("--- a/hello.py", "+++ b/hello.py", "@@ -1,2 +1,2 @@", "-one", "+two", " same"),
        ]
        assert found["handler"]["changes"] == ['parameters.name.type was "string", is "integer"']
        broken = (await asking("GET", f"{ONE}/diff?from=hello-00001&to=hello-00003")).json()
        assert broken["handler"]["after"] is None
        assert broken["handler"]["why"] == "hello-00003: it does not import"
        same = (await asking("GET", f"{ONE}/diff?from=hello-00001&to=hello-00001")).json()
        assert (same["same"], same["files"], same["handler"]["changes"]) == (True, [], [])
        assert (await asking("GET", f"{ONE}/diff?from=hello-00001")).status_code == 400


async def test_a_purge_names_a_url_or_a_tag() -> None:
    """The cache is asked for that one thing, and how many answers it forgot is told."""
    body = {"tag": "users"}
    purged: list[dict[str, str]] = []

    def purge(**what: str) -> int:
        purged.append(what)
        return 3

    async with admin_office(purge=purge) as keeping:
        assert (await keeping.write("POST", "/v1/cache/purge", json=body)).json() == {"purged": 3}
        answer = await keeping.write("POST", "/v1/cache/purge", json={"url": "/api/home"})
        assert answer.status_code == 200
        for wrong in ({}, {"url": "/", "tag": "x"}):
            assert (await keeping.write("POST", "/v1/cache/purge", json=wrong)).status_code == 400
    assert purged == [{"tag": "users"}, {"url": "/api/home"}]


async def test_a_store_that_is_away_refuses_changes_and_says_so() -> None:
    """503 with the reason; the key of the state folder is known all the same, and the line is written."""

    class Away(SQLite):
        @contextmanager
        def writing(self) -> Iterator[Session]:
            raise StoreUnavailable("is locked by another process", remedy="find out who holds it")
            yield

        reading = writing

    async with admin_office(database=Away(None, wall=SystemClock.wall)) as asking:
        for method, path in (("PUT", "traffic"), ("POST", "promote"), ("GET", "history")):
            answer = await asking.write(
                method, f"{ONE}/{path}", json={} if method == "POST" else block(), headers={"if-match": "*"}
            )
            if method == "PUT":
                assert answer.status_code == 422, "what cannot be is refused first"
                continue
            assert (answer.status_code, answer.json()["code"]) == (503, "store-unavailable")
            assert "locked by another process" in answer.json()["detail"]
            assert answer.headers["retry-after"] == "1"
        assert (await asking("GET", "/v1/functions", token="unknown")).status_code == 503
        assert (await asking("GET", "/v1/functions")).status_code == 200
        told = [(each.what, each.status, bool(each.unrecorded)) for each in asking.heard]
        assert told == [("putTraffic", 422, True), ("promote", 503, True)]


async def test_answers_are_what_the_document_says(asking: Asking) -> None:
    """Every schema of the document holds for what really comes, for readers and writers."""
    document = (await asking("GET", "/openapi.json")).json()
    await asking.publish("one", "two")
    etag = await version(asking)
    pages: list[tuple[str, str, httpx.Response]] = []

    async def seen(method: str, template: str, **options: Any) -> None:
        path = template.replace("{name}", "hello").replace("{revision}", "hello-00001")
        pages.append((method, template, await asking.write(method, path, **options)))

    one = "/v1/functions/{name}"
    await seen(
        "PUT", f"{one}/traffic", json=block(hello_00001=50, hello_00002=50), headers={"if-match": etag}
    )
    await seen("POST", f"{one}/tags", json={"tag": "x", "revision": "hello-00002"})
    await seen("POST", f"{one}/rollback", json={"to": "hello-00001"})
    await seen("POST", f"{one}/pause", json={})
    await seen("POST", f"{one}/resume", json={})
    await seen("POST", f"{one}/promote", json={})
    await seen("POST", f"{one}/revisions", content=asking.packed({"hello.py": "three"}), headers=PACKED)
    await seen("POST", "/v1/tokens", json={"name": "ci", "scopes": ["read"]})
    await seen("GET", f"{one}/diff", params={"from": "hello-00001", "to": "hello-00002"})
    for template, methods in document["paths"].items():
        if template.startswith(("/v1/events", "/v1/schedules", "/v1/triggers", "/v1/pipelines", "/v1/runs")):
            continue  # this gateway has none; tests/events asks one that has
        if template.startswith(("/v1/invocations", "/v1/errors", "/v1/live", "/v1/services/")):
            continue  # nothing has happened here; test_recordings.py asks one where something has
        if "get" in methods and "{code}" not in template and not template.endswith(("/diff", "/metrics")):
            await seen("GET", template)
    for method, template, answer in pages:
        assert answer.status_code < 300, (template, answer.text)
        described = document["paths"][template][method.lower()]["responses"][str(answer.status_code)]
        schema = described["content"]["application/json"]["schema"] | {"components": document["components"]}
        errors = [error.message for error in Draft202012Validator(schema).iter_errors(answer.json())]
        assert errors == [], template
    assert len(pages) > 20


async def test_a_watched_release_comes_as_events_until_its_end(asking: Asking) -> None:
    """Now, with each change, and an end; the stream closes by itself."""
    await asking.publish("one")
    await turned(asking.store, {"state": "running", "percent": 10}, goes_on=True)

    async def end_soon() -> None:
        while asking.office.app.streams == 0:
            await asyncio.sleep(0.01)
        await turned(asking.store, {"state": "promoted", "percent": 100}, goes_on=False)

    async with asyncio.TaskGroup() as group:
        group.create_task(end_soon())
        answer = await asking("GET", f"{ONE}/release", headers={"accept": "text/event-stream"})
    assert answer.headers["content-type"] == "text/event-stream"
    heard = [_event(text) for text in answer.text.strip().split("\n\n")]
    assert [kind for kind, _ in heard] == ["release", "release", "end"]
    assert [told["release"]["percent"] for _, told in heard] == [10, 100, 100]
    assert [told["running"] for _, told in heard] == [True, False, False]
    assert asking.office.app.streams == 0


async def test_the_head_of_a_stream_does_not_go_on(asking: Asking) -> None:
    """HEAD is answered at once, whatever GET would wait for."""
    await asking.publish("one")
    await turned(asking.store, {"state": "running", "percent": 10}, goes_on=True)
    answer = await asking("HEAD", f"{ONE}/release", headers={"accept": "text/event-stream"})
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"] == "text/event-stream"


def _event(text: str) -> tuple[str, dict[str, Any]]:
    fields = dict(line.split(": ", 1) for line in text.splitlines())
    return fields["event"], json.loads(fields["data"])
