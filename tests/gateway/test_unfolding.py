"""Pages that are sent part by part, over real sockets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from tests.conftest import eventually
from tests.gateway.byhand import ByHand
from tests.gateway.conftest import Served

NDJSON = {"accept": "application/x-ndjson"}
WHOLE = {"quick": {"shown": 1}, "slowly": ["at last"], "maybe": 7, "title": "A PAGE"}


def folded(records: list[dict[str, Any]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The page a browser ends with, and the last record."""
    page: dict[str, Any] = {}
    for record in records[:-1]:
        if "value" in record:
            page[record["part"]] = record["value"]
        else:
            del page[record["part"]]
    return page, records[-1]


def records_of(answer: httpx.Response) -> list[dict[str, Any]]:
    return [json.loads(line) for line in answer.text.splitlines()]


@contextmanager
def unfolding(served: Served, path: str, tag: str, **headers: str) -> Iterator[httpx.Response]:
    with served.client.stream("GET", f"{path}tag={tag}", headers=NDJSON | headers) as answer:
        yield answer
        served.let_go(tag)


def test_a_part_is_there_before_a_slow_one_exists(served: Served) -> None:
    """And at the end the caller has exactly what it would have had otherwise."""
    with served.client.stream("GET", "/page?tag=before", headers=NDJSON) as answer:
        assert answer.headers["content-type"] == "application/x-ndjson"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-accel-buffering"] == "no"
        assert "accept" in answer.headers["vary"].lower()
        assert answer.headers["bff-revision"]
        assert "bff-complete" not in answer.headers
        lines = answer.iter_lines()
        early = [json.loads(next(lines)) for _ in range(3)]
        assert {record["part"] for record in early} == {"quick", "maybe", "title"}
        served.let_go("before")
        records = [*early, *map(json.loads, lines)]
    page, end = folded(records)
    assert page == WHOLE == served.get("/page?tag=before").json()
    assert end == {"complete": True, "missing": []}


def test_without_such_an_accept_it_is_an_ordinary_page(served: Served) -> None:
    served.let_go("plain")
    answer = served.get("/page?tag=plain")
    assert answer.json() == WHOLE
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["bff-complete"] == "true"
    assert "accept" in answer.headers["vary"].lower()


@pytest.mark.parametrize("accept", ["application/x-ndjson", "text/event-stream", "application/json"])
def test_head_has_the_fields_that_get_would_have(served: Served, accept: str) -> None:
    """RFC 9110 §9.3.2: whole or part by part, and no body either way; the connection goes on."""
    tag = f"head-{accept.partition('/')[2]}"
    served.let_go(tag)
    got, head = (
        served.client.request(method, f"/page?tag={tag}", headers={"accept": accept})
        for method in ("GET", "HEAD")
    )
    assert got.content
    assert head.content == b""
    framing = {"transfer-encoding"}  # which a HEAD may leave out: it has nothing to frame
    assert head.headers.keys() - framing == got.headers.keys() - framing
    for name in ("content-type", "cache-control", "vary"):
        assert head.headers.get(name) == got.headers.get(name)
    assert accept in got.headers["content-type"]
    assert served.client.head("/hello").status_code == 200


def test_server_sent_events_carry_the_same_records(served: Served) -> None:
    served.let_go("sse")
    answer = served.get("/page?tag=sse", headers={"accept": "text/event-stream"})
    assert answer.headers["content-type"] == "text/event-stream"
    blocks = [block.split("\n") for block in answer.text.removesuffix("\n\n").split("\n\n")]
    assert {block[0] for block in blocks[:-1]} == {"event: part"}
    assert blocks[-1][0] == "event: end"
    assert folded([json.loads(block[1].removeprefix("data: ")) for block in blocks])[0] == WHOLE


def test_a_missing_part_is_told_at_once_and_at_the_end(served: Served) -> None:
    """Under its member's name; the reasons where the route tells them."""
    served.let_go("missing")
    records = records_of(served.get("/page/errors?kind=missing&tag=missing", headers=NDJSON))
    assert {"part": "maybe", "value": -1, "missing": True} in records
    assert records[-1] == {
        "complete": False,
        "missing": ["maybe"],
        "errors": {"/maybe": {"code": "service-timed-out", "status": 504}},
    }
    whole = served.get("/page/errors?kind=missing&tag=missing")
    assert whole.headers["bff-missing"] == "maybe"
    assert whole.json()["errors"] == records[-1]["errors"]
    assert "errors" not in records_of(served.get("/page?kind=missing&tag=missing", headers=NDJSON))[-1]


def test_what_the_page_hides_is_never_sent(served: Served) -> None:
    """Neither an excluded member nor what a member's type leaves out, however early it comes."""
    with unfolding(served, "/page?", "hides") as answer:
        served.let_go("hides")
        text = answer.read().decode()
    assert "not for callers" not in text
    assert "unknown" not in text
    assert "never shown" not in text


def test_what_the_handler_changes_afterwards_is_sent_again(served: Served) -> None:
    served.let_go("changed")
    records = records_of(served.get("/page?kind=changed&tag=changed", headers=NDJSON))
    titles = [record["value"] for record in records if record.get("part") == "title"]
    assert titles == ["A PAGE", "CHANGED"]
    assert folded(records)[0] == served.get("/page?kind=changed&tag=changed").json()


@pytest.mark.parametrize(("kind", "status"), [("fails", 502), ("other", 409)])
def test_a_failure_after_the_first_part_is_told_in_the_last_record(
    served: Served, kind: str, status: int
) -> None:
    """The same problem document, where a status is not to be had any more."""
    served.let_go(kind)
    answer = served.get(f"/page?kind={kind}&tag={kind}", headers={**NDJSON, "x-request-id": f"p-{kind}"})
    assert answer.status_code == 200
    *_, end = records_of(answer)
    assert end["complete"] is False
    assert end["problem"]["status"] == status
    assert (
        end["problem"]
        == served.get(f"/page?kind={kind}&tag={kind}", headers={"x-request-id": f"p-{kind}"}).json()
    )
    assert served.log(request_id=f"p-{kind}")["status"] == 200


def test_a_failure_before_the_first_part_has_its_status(served: Served) -> None:
    answer = served.get("/page?kind=refused&tag=refused", headers=NDJSON)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    eventually((served.notes / "refused.ended").exists)


def test_the_deadline_is_for_the_whole_page(by_hand: ByHand) -> None:
    with by_hand.wire() as wire:
        wire.say("GET /page/hurried?tag=never HTTP/1.1\r\nhost: bff\r\naccept: application/x-ndjson\r\n\r\n")
        wire.hear_until(b"\r\n\r\n")
        parts: set[str] = set()
        while parts != {"quick", "maybe", "title"}:
            wire.hear_until(b"{")
            parts.add(json.loads(b"{" + wire.hear_until(b"}\n"))["part"])
        by_hand.advance(0.31)
        wire.hear_until(b"{")
        end = json.loads(b"{" + wire.hear_until(b"}\n"))
    assert (end["complete"], end["problem"]["code"]) == (False, "deadline-exceeded")
    eventually((by_hand.notes / "never.ended").exists)


def test_a_caller_who_leaves_cancels_what_still_runs(served: Served) -> None:
    with served.wire() as wire:
        wire.say("GET /page?tag=gone HTTP/1.1\r\nhost: bff\r\naccept: application/x-ndjson\r\n\r\n")
        wire.hear_until(b'"part":"quick"')
        assert not (served.notes / "gone.ended").exists()
    eventually((served.notes / "gone.ended").exists)


def test_a_route_that_keeps_its_pages_gives_them_whole(served: Served) -> None:
    served.let_go("kept")
    for accept in ("application/x-ndjson", "application/json"):
        answer = served.get("/page/kept?tag=kept", headers={"accept": accept})
        assert (answer.headers["content-type"], answer.json()) == ("application/json", WHOLE)
