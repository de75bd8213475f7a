"""The figures of the door: what stands before a hello is really there, and the half-sent are really gone."""

from __future__ import annotations

from dataclasses import replace

from benchmarks import catalogue as who
from benchmarks import door, probe
from benchmarks.projects import HELLO, project
from benchmarks.servers import ask, running


def test_the_guarded_hello_is_guarded_and_the_half_sent_are_gone() -> None:
    settings = door.SETTINGS.replace("head_timeout: 2s", "head_timeout: 300ms") + "defaults: {auth: people}\n"
    with project({"hello": HELLO}, settings) as config:
        guarded = replace(
            who.gateway("guarded", config, expected=who.HELLO),
            fields={"authorization": f"Bearer {door.token()}"},
        )
        with running(guarded) as run:
            assert ask(run.port, "/hello")[0] == 401
            assert ask(run.port, "/hello", fields=guarded.fields)[0] == 200
            with door.halves(run) as (sockets, began):
                assert len(sockets) == door.HALVES
                assert door.last_gone(sockets) > began
            assert ask(run.port, "/hello", fields=guarded.fields)[0] == 200


def test_the_view_is_read_checked_and_written() -> None:
    (took,) = probe.told("view", 1, 20)
    assert took > 0
