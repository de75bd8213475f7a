"""Whoever blocks the event loop is named, and nobody else is."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bff.app import House, Options, compose
from bff.config import load
from bff.runtime.loopguard import BEAT, LOOK, Look, LoopGuard, Suspicion, judged
from bff.signals import Blockages, Culprit, LoopBlocked, LoopLost, LoopReturned
from tests.conftest import GatewayFactory, eventually

ANN, BEN = object(), object()


class Watch:
    """Looks one after another, as the thread takes them. Time stands still but for :meth:`look`."""

    def __init__(self) -> None:
        self.at = self.mark = self.cpu = 100.0
        self.suspicion = Suspicion(last=Look(at=self.at, mark=self.mark, cpu=self.cpu, holder=None))

    def look(
        self, holder: object | None, *, after: float = LOOK, cpu: float = 0.0, beat: bool = False
    ) -> float:
        """The seconds held against somebody after one more look."""
        self.at += after
        self.cpu += cpu
        if beat:
            self.mark = self.at
        seen = Look(at=self.at, mark=self.mark, cpu=self.cpu, holder=holder)
        self.suspicion = judged(self.suspicion, seen)
        return self.suspicion.seconds


def test_one_who_keeps_the_loop_is_suspected_for_longer_and_longer() -> None:
    """What counts is what is certain: since the mark that did not come."""
    watch = Watch()
    assert [round(watch.look(ANN), 3) for _ in range(6)] == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]


def test_a_loop_that_turns_suspects_nobody() -> None:
    """However long somebody computes between two marks that come in time."""
    watch = Watch()
    assert all(watch.look(None, beat=True) == 0 for _ in range(100))


def test_the_end_of_a_blockage_forgets_it() -> None:
    """With the mark the loop is free again."""
    watch = Watch()
    for _ in range(10):
        watch.look(ANN)
    assert watch.look(None, beat=True) == 0
    assert watch.suspicion.holder is None


def test_who_blocks_right_after_another_is_suspected_anew() -> None:
    """One mark between the two is enough to tell them apart."""
    watch = Watch()
    for _ in range(10):
        watch.look(ANN)
    watch.mark = watch.at + LOOK / 2
    assert watch.look(ANN, after=1.0, cpu=1.0) == pytest.approx(1.0 - LOOK / 2 - BEAT)


def test_many_short_steps_in_a_row_are_not_a_blockage() -> None:
    """A busy loop goes from one to the next, late as its mark may be."""
    watch = Watch()
    watch.look(ANN)
    assert max(watch.look(holder) for holder in (BEN, ANN) * 50) == 0


def test_a_machine_that_slept_blames_nobody() -> None:
    """The watchdog came as late as the loop, and the loop used no CPU meanwhile."""
    watch = Watch()
    assert watch.look(ANN, after=3600.0, cpu=0.01) < 0.02
    assert watch.look(None, beat=True) == 0


def test_a_machine_without_cpu_to_give_blames_nobody() -> None:
    """Half a second between two looks, a twentieth of it on the loop's account."""
    watch = Watch()
    watch.look(ANN)
    for _ in range(8):
        seconds = watch.look(ANN, after=0.5, cpu=0.025)
    assert seconds < 0.5


def test_c_code_that_lets_nobody_else_run_is_caught_afterwards() -> None:
    """The watchdog came late because the loop's thread used the CPU all the while."""
    watch = Watch()
    assert watch.look(ANN, after=3.0, cpu=2.95) == pytest.approx(3.0 - BEAT - 0.05)


def test_a_debuggers_prompt_is_nobodys() -> None:
    """No holder, no blame, however long it lasts; and none afterwards for the time before."""
    watch = Watch()
    for _ in range(100):
        assert watch.look(None) == 0


LOOKS = st.lists(
    st.tuples(st.sampled_from([None, ANN, BEN]), st.floats(0.01, 5), st.floats(0, 1), st.booleans())
)


@given(LOOKS)
def test_nobody_is_blamed_for_longer_than_the_loop_was_silent(
    looks: list[tuple[object | None, float, float, bool]],
) -> None:
    """Nor for longer than it was seen by a watchdog in time, or used the CPU."""
    watch = Watch()
    certain = 0.0
    for holder, after, share, beat in looks:
        certain += after if after <= 2 * LOOK else after * share
        seconds = watch.look(holder, after=after, cpu=after * share, beat=beat)
        if beat:
            certain = 0.0
        assert 0 <= seconds <= max(0.0, watch.at - watch.mark) + 1e-6
        assert seconds <= certain + BEAT + 1e-6
        assert seconds == 0 or holder is not None


def test_the_longest_blockage_is_remembered_with_its_line() -> None:
    """The count is of beginnings; a shorter one leaves the longest as it was."""
    told = Blockages()
    for kind, seconds, line in (
        (LoopBlocked, 0.5, "a.py:1"),
        (LoopReturned, 3.0, "a.py:1"),
        (LoopBlocked, 0.5, "b.py:1"),
        (LoopReturned, 0.7, "b.py:1"),
    ):
        told = told.after(kind(culprit=Culprit(function="a", line=line), seconds=seconds))
    assert told == Blockages(count=2, longest=3.0, line="a.py:1")


# ---- a real loop, a real thread -----------------------------------------------------------------

BLOCKS = """
    import time
    from pathlib import Path
    async def handle(until: str) -> str:
        while not Path(until).exists(): time.sleep(0.01)
        return "slept"
"""


async def tell(
    house: House,
    action: Callable[[], Any],
    *,
    give_up: float = 60.0,
    told: list[Any] | None = None,
    until: type[Any] | None = None,
) -> list[Any]:
    """What is told while ``action`` runs on the watched loop, and until that is told which is waited for."""
    told = [] if told is None else told
    for kind in (LoopBlocked, LoopReturned, LoopLost):
        house.signals.listen(kind, told.append)
    guard = LoopGuard(
        clock=house._clock,
        loader=house._workshop.loader,
        signals=house.signals,
        give_up=lambda: give_up,
        end=lambda _: None,
    )
    with guard:
        await asyncio.sleep(2 * BEAT)
        result = action()
        if asyncio.iscoroutine(result):
            await result
        async with asyncio.timeout(60):
            while until is not None and until not in map(type, told):
                await asyncio.sleep(BEAT)
        await asyncio.sleep(3 * BEAT)
    return told


def block_until(told: list[Any], kind: type[Any]) -> None:
    """Keep the loop, as long as nobody has told of it: how long that takes is the machine's to say."""
    while kind not in map(type, list(told)):
        time.sleep(0.01)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def home(write_project: Callable[..., Path]) -> Path:
    return write_project(
        {"routes.yaml": "routes: [{path: /home, function: home}]", "functions/home.py": BLOCKS}
    )


@pytest.mark.anyio
async def test_a_handler_that_blocks_is_named_while_it_does(home: Path) -> None:
    """Function, revision, the very line, and the call it was made for; then how long it was in all."""
    async with compose(load(home / "routes.yaml"), Options(dev=True)) as house:
        transport = httpx.ASGITransport(house.gateway)
        async with httpx.AsyncClient(transport=transport, base_url="http://bff") as client:
            noticed = home / "noticed"
            house.signals.listen(LoopBlocked, lambda _: noticed.touch())
            path, headers = f"/home?until={noticed}", {"x-request-id": "me"}
            told = await tell(house, lambda: client.get(path, headers=headers), until=LoopReturned)
    begun, ended = told
    assert begun.culprit == Culprit(
        function="home", revision="home-dev-1", line="functions/home.py:5", route="/home", request_id="me"
    )
    assert begun.seconds >= 0.5
    assert isinstance(ended, LoopReturned)
    assert begun.seconds <= ended.seconds


@pytest.mark.anyio
async def test_what_blocks_outside_of_any_function_is_named_by_its_place(home: Path) -> None:
    """The truth, even when it is the gateway's own code."""
    async with compose(load(home / "routes.yaml"), Options(dev=True)) as house:
        told: list[Any] = []
        await tell(house, lambda: block_until(told, LoopBlocked), told=told)
    assert told[0].culprit.function == ""
    assert told[0].culprit.line.startswith(__file__)


@pytest.mark.anyio
async def test_a_busy_loop_is_left_alone(home: Path) -> None:
    """A thousand short steps of different tasks: late, but nobody's fault."""

    async def many() -> None:
        async def short() -> None:
            time.sleep(0.005)

        await asyncio.gather(*(short() for _ in range(180)))

    async with compose(load(home / "routes.yaml"), Options(dev=True)) as house:
        assert await tell(house, many) == []


@pytest.mark.anyio
async def test_one_that_does_not_come_back_is_lost(home: Path) -> None:
    """After the watchdog's time the end is told, once."""
    async with compose(load(home / "routes.yaml"), Options(dev=True)) as house:
        told: list[Any] = []
        await tell(house, lambda: block_until(told, LoopLost), told=told, give_up=0.8)
    assert [type(each) for each in told] == [LoopBlocked, LoopLost]
    assert told[1].seconds >= 0.8


# ---- whole gateways -----------------------------------------------------------------------------

STUCK = {
    "routes.yaml": """
        gateway: {watchdog: 1s}
        routes:
          - {path: /stuck, function: stuck}
          - {path: /hello, function: hello}
          - {path: /blocks, function: blocks}
          - {path: /starts, function: starts}
        """,
    "functions/hello.py": "async def handle() -> str: return 'hi'",
    "functions/blocks.py": BLOCKS,
    "functions/stuck.py": "from ._shared import spin\n\nasync def handle() -> str:\n    return spin()\n",
    "functions/_shared.py": "def spin():\n    while True:\n        pass\n",
    "functions/starts.py": """
        import time
        from pathlib import Path

        class Slow:
            def start(self):
                while not Path("@/starts").exists(): time.sleep(0.01)

            async def handle(self): return "started"

        def new(): return Slow()
        """,
}


def test_a_loop_that_is_lost_ends_the_gateway_with_70(
    gateway: GatewayFactory, write_project: Callable[..., Path]
) -> None:
    """The last line says who it was; everything that was to be logged before is there."""
    running = gateway(write_project(STUCK))
    assert running.get("/hello").text == "hi"
    with pytest.raises(httpx.RemoteProtocolError):
        running.get("/stuck", headers={"x-request-id": "last"})
    assert running.wait() == 70
    last = running.log("the event loop does not come back")
    assert (last["function"], last["revision"]) == ("stuck", "stuck-00001")
    assert last["line"].startswith("functions/_shared.py:")
    assert (last["route"], last["request_id"]) == ("/stuck", "last")
    assert running.output.splitlines()[-1].find("does not come back") > 0
    assert running.logs("request", function="hello")
    assert running.logs("REPORT", function="stuck")


def test_dev_begins_anew_and_answers_again(
    gateway: GatewayFactory, write_project: Callable[..., Path]
) -> None:
    """The same process, at the same addresses, within seconds; and it still ends in peace."""
    running = gateway(write_project(STUCK), "dev")
    assert running.get("/hello").text == "hi"
    since = running.lines_so_far
    with pytest.raises(httpx.RemoteProtocolError):
        running.get("/stuck")
    again = running.wait_for(lambda line: '"public"' in line, since=since)
    assert running.public in again
    assert running.admin in again
    assert running.get("/hello").text == "hi"
    since = running.lines_so_far
    with pytest.raises(httpx.RemoteProtocolError):  # a second time is no different
        running.get("/stuck")
    running.wait_for(lambda line: '"public"' in line, since=since)
    assert running.get("/hello").text == "hi"
    running.signal(signal.SIGTERM)
    assert running.wait() == 0


def test_blockages_are_shown_and_counted(
    gateway: GatewayFactory, write_project: Callable[..., Path], tmp_path: Path
) -> None:
    """In the log with a remedy, in the list of functions, in the metrics; ``start`` blocks as handlers do."""
    patient = {name: text.replace("watchdog: 1s", "watchdog: 10m") for name, text in STUCK.items()}
    patient = {name: text.replace("@", str(tmp_path)) for name, text in patient.items()}
    running = gateway(write_project(patient))

    def blocking(path: str, function: str, end: Path) -> Any:
        """What was told while the loop was held, which ends once it was."""
        with ThreadPoolExecutor(1) as beside:
            asking = beside.submit(httpx.get, running.public + path, timeout=60, trust_env=False)
            told = running.log("the event loop is blocked", function=function)
            end.touch()
            assert asking.result(60).text == {"blocks": "slept", "starts": "started"}[function]
        return told

    told = blocking(f"/blocks?until={tmp_path}/blocks", "blocks", tmp_path / "blocks")
    assert (told["level"], told["line"]) == ("error", "functions/blocks.py:5")
    assert "isolation: process" in told["remedy"]
    assert blocking("/starts", "starts", tmp_path / "starts")["line"] == "functions/starts.py:7"
    running.log("the event loop was blocked", function="starts")

    def listed() -> dict[str, Any]:
        functions = httpx.get(f"{running.admin}/v1/functions", trust_env=False, timeout=60).json()
        return {each["name"]: each["blocked"] for each in functions}

    eventually(lambda: listed()["starts"]["longest_ms"] >= 500)
    assert listed()["blocks"]["count"] == 1
    assert listed()["blocks"]["line"] == "functions/blocks.py:5"
    assert listed()["hello"] == {"count": 0, "longest_ms": 0, "line": None}
    scraped = httpx.get(f"{running.admin}/metrics", trust_env=False, timeout=60).text
    assert 'bff_loop_blocked_total{function="blocks",revision="blocks-00001"} 1.0' in scraped


def test_a_paused_gateway_blames_nobody(gateway: GatewayFactory, write_project: Callable[..., Path]) -> None:
    """Stopped for longer than the watchdog's time and continued, as a laptop that slept."""
    running = gateway(write_project(STUCK))
    assert running.get("/hello").text == "hi"
    running.signal(signal.SIGSTOP)
    time.sleep(1.5)
    running.signal(signal.SIGCONT)
    assert running.get("/hello").text == "hi"
    assert not running.logs("the event loop")
