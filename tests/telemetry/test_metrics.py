"""What is counted, and how often, on whole houses and on the signals they emit."""

from __future__ import annotations

import httpx
import pytest

from bff.clock import SystemClock
from bff.sdk.invocation import Invocation
from bff.signals import Signals
from bff.telemetry.metrics import MAX_PARTS, Metrics
from tests.conftest import GatewayFactory, Running, save

GOOD = "async def handle() -> str:\n    return 'good'\n"
FAILS_WARM = "raise RuntimeError('no database')\n"
FAILS_COLD = "async def handle(:\n"


def ended(function: str, missing: list[str]) -> Invocation:
    """An invocation that has ended with parts missing."""
    invocation = Invocation(request_id="r", method="GET", clock=SystemClock(), started=0.0)
    invocation.function, invocation.missing = function, missing
    return invocation


def failures(running: Running) -> float:
    text = httpx.get(f"{running.admin}/metrics", trust_env=False, timeout=60).text
    found = [line for line in text.splitlines() if line.startswith('bff_load_failures_total{function="home"')]
    return sum(float(line.split()[-1]) for line in found)


@pytest.mark.parametrize("broken", [FAILS_WARM, FAILS_COLD])
def test_a_failed_first_call_is_one_load_failure(gateway: GatewayFactory, write_project, broken: str) -> None:
    """Whether the source or the warm-up was at fault; each further attempt is one more."""
    running = gateway(
        write_project(
            {"routes.yaml": "routes: [{path: /home, function: home}]\n", "functions/home.py": broken}
        )
    )
    for attempts in (1, 2):
        assert running.get("/home").status_code == 500
        assert failures(running) == attempts


@pytest.mark.parametrize("broken", [FAILS_WARM, FAILS_COLD])
def test_a_save_that_fails_is_one_load_failure(gateway: GatewayFactory, write_project, broken: str) -> None:
    """It is told as a warm-up that failed and as a revision that does not go live, but it is one."""
    folder = write_project(
        {"routes.yaml": "routes: [{path: /home, function: home}]\n", "functions/home.py": GOOD}
    )
    running = gateway(folder, "dev")
    assert running.get("/home").text == "good"
    for attempts in (1, 2):
        since = running.lines_so_far
        save(folder / "functions/home.py", broken + "#" * attempts)
        running.wait_for(lambda line: "load failed" in line, since=since)
        assert failures(running) == attempts


def test_names_of_missing_parts_are_bounded() -> None:
    """A handler that makes names up, of ids for example, gets 20 series and ``other``; others keep theirs."""
    signals, metrics = Signals(), Metrics()
    metrics.listen(signals)
    for number in range(MAX_PARTS + 30):
        signals.emit(ended("home", [f"part-{number}"]))
    signals.emit(ended("home", ["part-0"]))
    signals.emit(ended("second", ["one"]))
    text = metrics.scrape.now()[0].decode()
    parts = [line for line in text.splitlines() if line.startswith("bff_incomplete_answers_total{")]
    assert len(parts) == MAX_PARTS + 2
    assert 'bff_incomplete_answers_total{function="home",part="part-0",revision=""} 2.0' in parts
    assert 'bff_incomplete_answers_total{function="home",part="other",revision=""} 30.0' in parts
    assert 'bff_incomplete_answers_total{function="second",part="one",revision=""} 1.0' in parts
