"""The services break when asked, exactly as asked, and go on serving everyone else."""

from __future__ import annotations

import socket
import time
from urllib.parse import urlsplit

import httpx
import pytest

SCHIPHOL = "/airports/AMS"


@pytest.mark.parametrize("status", [400, 418, 429, 500, 503, 599])
def test_a_status_is_answered_as_a_problem(airports: httpx.Client, status: int) -> None:
    answer = airports.get(SCHIPHOL, params={"fail": status})
    assert answer.status_code == answer.json()["status"] == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_cut_answer_is_really_cut(airports: httpx.Client) -> None:
    whole = len(airports.get(SCHIPHOL).content)
    with airports.stream("GET", SCHIPHOL, params={"fail": "cut"}) as answer:
        assert answer.status_code == 200
        assert int(answer.headers["content-length"]) == whole
        with pytest.raises(httpx.RemoteProtocolError):
            answer.read()
        assert answer.num_bytes_downloaded == whole // 2


def test_the_connection_of_a_cut_answer_is_closed(airports: httpx.Client) -> None:
    address = urlsplit(str(airports.base_url))
    with socket.create_connection((address.hostname, address.port), timeout=5) as raw:
        raw.sendall(b"GET /airports/AMS?fail=cut HTTP/1.1\r\nhost: demo\r\n\r\n")
        heard = b"".join(iter(lambda: raw.recv(65536), b""))
    head, _, body = heard.partition(b"\r\n\r\n")
    assert b"application/json" in head
    assert body.startswith(b'{"iata":"AMS"')
    assert not body.endswith(b"}")


def test_html_comes_where_json_was_expected(holidays: httpx.Client) -> None:
    answer = holidays.get("/holidays/NL?fail=html")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert "<h1>" in answer.text


def test_a_hanging_call_holds_nobody_else(clocks: httpx.Client) -> None:
    with pytest.raises(httpx.ReadTimeout):
        clocks.get("/clocks/UTC?fail=hang", timeout=0.3)
    assert clocks.get("/clocks/UTC").status_code == 200


@pytest.mark.parametrize("delay", ["200ms", "0.2s", "0.2"])
def test_a_delay_comes_before_the_answer(clocks: httpx.Client, delay: str) -> None:
    before = time.monotonic()
    answer = clocks.get("/clocks/UTC", params={"delay": delay})
    assert time.monotonic() - before > 0.19
    assert answer.status_code == 200


def test_a_failure_can_be_late(clocks: httpx.Client) -> None:
    before = time.monotonic()
    assert clocks.get("/clocks/UTC?delay=100ms&fail=503").status_code == 503
    assert time.monotonic() - before > 0.09


def test_a_rate_is_the_share_of_the_calls_that_fail(airports: httpx.Client) -> None:
    def statuses(rate: float, calls: int) -> list[int]:
        return [airports.get(SCHIPHOL, params={"fail_rate": rate}).status_code for _ in range(calls)]

    assert set(statuses(0, 20)) == {200}
    assert set(statuses(1, 20)) == {503}
    # Of 60 calls at one half, fewer than 8 or more than 52 is a matter of once in a hundred million runs.
    assert 8 <= statuses(0.5, 60).count(503) <= 52


def test_a_rate_makes_the_named_fault_happen(airports: httpx.Client) -> None:
    assert airports.get(SCHIPHOL, params={"fail_rate": 1, "fail": 500}).status_code == 500
    assert airports.get(SCHIPHOL, params={"fail_rate": 0, "fail": 500}).status_code == 200


@pytest.mark.parametrize("name", ["delay", "fail", "fail_rate"])
def test_an_empty_value_is_none(airports: httpx.Client, name: str) -> None:
    assert airports.get(SCHIPHOL, params={name: ""}).status_code == 200


@pytest.mark.parametrize(
    "query",
    [
        *("delay=soon", "delay=-1", "delay=nan", "delay=1e3", "delay=5m", "delay=9999999999999"),
        *("fail=200", "fail=600", "fail=maybe", "fail=-1"),
        *("fail_rate=2", "fail_rate=-0.1", "fail_rate=nan", "fail_rate=half"),
    ],
)
def test_trouble_that_cannot_be_understood_is_422(airports: httpx.Client, query: str) -> None:
    answer = airports.get(f"{SCHIPHOL}?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == query.partition("=")[0]
