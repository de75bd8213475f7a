"""Events from the terminal: sent, listed, explained, begun anew, thrown away; triggers paused."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.conftest import eventually

if TYPE_CHECKING:
    from tests.cli.conftest import Ran, Shell

ROUTES = """\
triggers:
  mail: {function: mail, filters: [{exact: {type: paid}}], delivery: {retry: 1, backoffDelay: PT0S}}
  other: {function: mail, filters: [{exact: {$.plan: pro}}]}
"""
MAIL = """\
from pathlib import Path
from bff import CloudEvent

async def handle(event: CloudEvent) -> None:
    if not Path("HERE/mail-is-up").exists():
        raise RuntimeError("mail is down")
"""

HELD = """while not Path("HERE/go").exists():
        await asyncio.sleep(0.02)"""


class Operator:
    """Somebody at a terminal beside a running gateway."""

    def __init__(self, shell: Shell, admin: str, folder: Path) -> None:
        self._shell = shell
        self._admin = admin
        self._client = httpx.Client(base_url=admin, timeout=60, trust_env=False)
        self.folder = folder

    def __call__(self, *args: str) -> Ran:
        return self._shell(*args, BFF_ADMIN=self._admin)

    def states(self, key: str) -> dict[str, str]:
        """Of an event's deliveries, by trigger; asked without a command, which would take longer."""
        told = self._client.get(f"/v1/events/{key}").json()
        return {each["trigger"]: each["state"] for each in told["deliveries"]}

    def close(self) -> None:
        self._client.close()


@pytest.fixture
def operators() -> Iterator[Callable[..., Operator]]:
    """``operators(shell, admin, folder)``: somebody at a terminal."""
    made: list[Operator] = []

    def make(*args: Any) -> Operator:
        made.append(Operator(*args))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def operator(
    bff: Shell,
    project: Callable[..., Path],
    gateway: Callable[..., Any],
    tmp_path: Path,
    operators: Callable[..., Operator],
) -> Operator:
    folder = project(ROUTES, mail=MAIL.replace("HERE", str(tmp_path)))
    return operators(bff, gateway(folder).admin, tmp_path)


def test_a_dead_event_is_found_explained_and_begun_anew(operator: Operator) -> None:
    """The whole night: what died, why, on which attempt; mail comes back; it is delivered."""
    sent = operator("events", "send", "paid", "--data", '{"plan": "free"}', "--id", "7", "-x", "tenant=t1")
    assert (sent.code, sent.err) == (0, ""), sent.err
    key = sent.out.strip()
    eventually(lambda: operator.states(key) == {"mail": "dead"}, every=0.1)
    again = operator("events", "send", "paid", "--id", "7")
    assert (again.out.strip(), "was there already" in again.err) == (key, True)

    listed = operator("events", "list", "--state", "dead")
    assert "mail: dead (2)" in listed.out
    assert operator("events", "list", "--state", "waiting", "--json").json == []
    wrong = operator("events", "list", "--state", "wating")
    assert (wrong.code, "state is one of waiting, running, delivered" in wrong.err) == (1, True)
    assert (
        operator("events", "purge", "--state", "running").err == "--state is delivered, dead or cancelled\n"
    )
    told = operator("events", "explain", "7").out
    assert told.startswith("paid 7 of /bff/cli")
    assert "mail -> mail: dead" in told
    assert "2. " in told
    assert "500 function-failed: Function mail raised an error." in told
    assert "other: no delivery; exact: $.plan is 'free', not 'pro'" in told
    shown = operator("events", "show", key)
    assert json.loads(shown.out)["tenant"] == "t1"

    (operator.folder / "mail-is-up").touch()
    assert operator("events", "redrive", key).err == "1 deliveries: redrive\n"
    eventually(lambda: operator.states(key) == {"mail": "delivered"}, every=0.1)
    assert operator("events", "redrive", key, "--json").json == {"count": 0}
    purged = operator("events", "purge", "--state", "delivered", "--trigger", "mail")
    assert purged.err == "1 events are forgotten\n"
    misspelt = operator("events", "redrive", "--trigger", "mial")
    assert "nothing of trigger mial is so; `bff triggers list` shows their names" in misspelt.err
    gone = operator("events", "show", key)
    assert (gone.code, f"No event {key} is kept" in gone.err) == (1, True)


def test_a_paused_trigger_keeps_what_matches(operator: Operator) -> None:
    """Until it is resumed; a waiting delivery can be cancelled."""
    (operator.folder / "mail-is-up").touch()
    assert operator("triggers", "pause", "mail").err == "trigger mail is paused: what matches is stored\n"
    kept, dropped = (operator("events", "send", "paid").out.strip() for _ in range(2))
    (mail, _) = operator("triggers", "list", "--json").json
    assert (mail["paused_by"], mail["waiting"]) == ("local", 2)
    assert "by local" in operator("triggers", "list").out
    assert operator("events", "cancel", dropped, "--json").json == {"count": 1}
    operator("triggers", "resume", "mail")
    eventually(lambda: operator.states(kept) == {"mail": "delivered"}, every=0.1)
    assert operator.states(dropped) == {"mail": "cancelled"}
    for args, code, why in (  # 2 for what was written wrong, 1 for what the gateway refuses
        (("send", "paid", "--data", "{"), 2, "--data is not JSON"),
        (("send", "paid", "-x", "tenant"), 2, "NAME=VALUE"),
        (("send", "paid", "-x", "Tenant=1"), 1, "not lower-case"),
        (("redrive",), 2, "either an event or a --trigger"),
    ):
        ran = operator("events", *args)
        assert (ran.code, why in ran.err) == (code, True), ran.err
    wrong = operator("triggers", "pause", "mial")
    assert (wrong.code, "did you mean mail?" in wrong.err) == (1, True)


def test_a_gateway_without_events_says_so(
    bff: Shell, project: Callable[..., Path], gateway: Callable[..., Any]
) -> None:
    running = gateway(project("routes: []\n", mail=MAIL))
    ran = bff("events", "list", BFF_ADMIN=running.admin)
    assert (ran.code, "This gateway has no events" in ran.err) == (1, True)


def test_a_schedule_is_listed_and_run_by_hand(
    bff: Shell,
    project: Callable[..., Path],
    gateway: Callable[..., Any],
    operators: Callable[..., Operator],
    tmp_path: Path,
) -> None:
    """When it will run, and that it has; a name that is none is corrected, and while a run has not ended the next one
    is refused, not skipped in silence.
    """
    routes = 'schedules: {warm: {cron: "0 0 1 1 *", time_zone: Europe/Zurich, function: warm}}\n'
    warm = "import asyncio\n" + MAIL.replace(
        'if not Path("HERE/mail-is-up").exists():\n        raise RuntimeError("mail is down")', HELD
    )
    running = gateway(project(routes, warm=warm.replace("HERE", str(tmp_path))))
    operator = operators(bff, running.admin, running.folder)
    (told,) = operator("schedules", "list", "--json").json
    assert (told["cron"], told["time_zone"], told["last"]) == ("0 0 1 1 *", "Europe/Zurich", None)
    assert "-12-31T23:00:00" in told["next"]
    assert "Europe/Zurich" in operator("schedules", "list").out
    key = operator("schedules", "run", "warm").out.strip()
    refused = operator("schedules", "run", "warm")
    assert (refused.code, refused.out, "its run before has not ended" in refused.err) == (1, "", True)
    (tmp_path / "go").touch()
    eventually(lambda: operator.states(key) == {"schedule/warm": "delivered"}, every=0.1)
    wrong = operator("schedules", "run", "wram")
    assert (wrong.code, "did you mean warm?" in wrong.err) == (1, True)


def test_a_run_is_begun_watched_shown_and_resumed(
    bff: Shell,
    project: Callable[..., Path],
    gateway: Callable[..., Any],
    tmp_path: Path,
    operators: Callable[..., Operator],
) -> None:
    """Its answer on standard output, a bar for each step beside it; exit code 1 when it failed."""
    routes = "pipelines: {p: {steps: [{function: split}, {function: mail, each: $, delivery: {retry: 0}}]}}\n"
    split = "async def handle(body: dict) -> list:\n    return list(range(body['n']))\n"
    mail = MAIL.replace("HERE", str(tmp_path)) + "    return event.data\n"
    running = gateway(project(routes, mail=mail.replace("-> None", "-> int"), split=split))
    operator = operators(bff, running.admin, running.folder)
    assert "split -> mail" in operator("pipelines", "list").out
    failed = operator("pipelines", "start", "p", "--data", '{"n": 2}', "--watch")
    assert (failed.code, "failed, step 1" in failed.err) == (1, True), failed.err
    (run,) = operator("pipelines", "runs", "p", "--json").json
    assert operator("pipelines", "runs", "p").out.count(run["key"]) == 1
    told = operator("pipelines", "show", run["key"])
    assert "[" + "." * 30 + "] 0/2" in told.out
    assert "pipeline/p/1 -> mail: dead" in told.err
    (tmp_path / "mail-is-up").touch()
    assert "parts: resume" in operator("pipelines", "resume", run["key"]).err
    ended = operator("pipelines", "show", run["key"], "--watch")
    assert (ended.code, json.loads(ended.out)) == (0, [0, 1])
    assert operator("pipelines", "cancel", run["key"], "--json").json == {"count": 0}
    assert operator("pipelines", "start", "p", "--data", "{").code == 2
    wrong = operator("pipelines", "start", "q")
    assert (wrong.code, "routes.yaml has no pipeline q" in wrong.err) == (1, True)


def test_a_function_that_events_reach_needs_no_route(bff: Shell, project: Callable[..., Path]) -> None:
    """`bff check` warns only of what nothing reaches: no route, trigger, schedule, pipeline, call or dead letter."""
    routes = """\
triggers: {t: {function: one, delivery: {deadLetterSink: two}}}
schedules: {s: {cron: "0 0 1 1 *", function: three}}
pipelines: {p: {steps: [{function: four}]}}
calls: {functions: [five]}
"""
    source = "from bff import CloudEvent\nasync def handle(event: CloudEvent) -> None: ...\n"
    folder = project(routes, **dict.fromkeys(("one", "two", "three", "four", "five", "six"), source))
    checked = bff("check", "--config", str(folder))
    assert checked.code == 0, checked.err
    assert [line for line in (checked.out + checked.err).splitlines() if "no route reaches" in line] == [
        "warning: no route reaches function six"
    ]
