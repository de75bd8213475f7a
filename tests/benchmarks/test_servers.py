"""Every server that is measured starts, answers what it must, and stops."""

import json
import os

import pytest

from benchmarks import catalogue, processes
from benchmarks.load import check_log
from benchmarks.servers import (
    LOAD_CORE,
    SERVER_CORE,
    Server,
    ServerError,
    ask,
    environment,
    free_port,
    on_core,
    running,
)


class TestServers:
    @pytest.mark.parametrize("peer", catalogue.PEERS, ids=lambda peer: peer.name)
    def test_every_peer_answers_what_it_must(self, peer):
        with running(peer) as run:
            status, body = ask(run.port, peer.path)
            assert (status, json.loads(body)) == (200, {"hello": "world"})
            assert processes.resident_bytes(processes.tree(run.process.pid)) > 1_000_000
        assert run.process.returncode is not None

    @pytest.mark.parametrize("ours", catalogue.OURS, ids=lambda ours: ours.name)
    def test_ours_answers_the_same(self, ours):
        with running(ours) as run:
            status, body = ask(run.port, ours.path)
            assert status == 200
            assert ours.expected is None or json.loads(body) == {"hello": "world"}

    @pytest.mark.parametrize("equipped", [catalogue.STARLETTE_EQUIPPED, catalogue.BFF_EQUIPPED])
    def test_every_request_owes_a_log_line(self, equipped):
        with running(equipped) as run:
            for _ in range(20):
                ask(run.port, equipped.path)
            check_log(run, 21)

    def test_a_lost_log_line_fails_the_run(self):
        with running(catalogue.STARLETTE_EQUIPPED) as run:
            check_log(run, 1)  # the line is written after its answer
            with pytest.raises(ServerError, match="logged 1 of 2"):
                check_log(run, 2, timeout=0)

    def test_the_equipped_peer_wears_what_it_says(self):
        with running(catalogue.STARLETTE_EQUIPPED) as run:
            _, metrics = ask(run.port, "/metrics")
            lines = [json.loads(line) for line in run.tail().splitlines()]
        assert b'http_requests_total{method="GET",route="/hello",status="200"}' in metrics
        assert (lines[0]["route"], lines[0]["status"], lines[0]["level"]) == ("/hello", 200, "info")
        assert len(lines[0]["request_id"]) == 32

    def test_a_wrong_answer_is_never_measured(self):
        liar = Server(name="liar", argv=catalogue.UVICORN.argv, expected={"hello": "moon"})
        with pytest.raises(ServerError, match="liar answered"), running(liar):
            pass

    def test_a_server_that_dies_says_why(self):
        dead = Server(name="dead", argv=(*catalogue.UVICORN.argv[:1], "-c", "raise SystemExit('no luck')"))
        with pytest.raises(ServerError, match=r"dead ended with 1[\s\S]*no luck"), running(dead):
            pass

    def test_the_callers_switches_reach_no_server(self, monkeypatch):
        monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
        assert "PYTHONDONTWRITEBYTECODE" not in environment({})
        assert environment({"A": "b"})["A"] == "b"

    def test_pinning_ends_with_its_block(self):
        before = os.sched_getaffinity(0)
        with on_core(SERVER_CORE):
            assert os.sched_getaffinity(0) == {SERVER_CORE}
        assert os.sched_getaffinity(0) == before
        assert LOAD_CORE in before

    def test_a_free_port_is_a_port(self):
        assert 1024 <= free_port() < 65536

    def test_our_own_cpu_time_is_seen(self):
        assert processes.cpu_seconds([os.getpid()]) > 0
        assert processes.cpu_seconds([]) == 0
        assert processes.busy_seconds(SERVER_CORE) > 0
        assert os.getpid() in processes.tree(os.getppid())
