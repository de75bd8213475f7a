"""A warm-up's phases, measured through the whole gateway."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from bff.app import House, Options, compose
from bff.config import load
from bff.measured import FIRST_CALL, WarmUp
from bff.runtime.loaderthreads import HELP_AFTER
from bff.signals import FirstCalled, WarmedUp

PHASES = ["queue", "read", "compile", "imports", "construct", "start"]
HOME = """
    import time

    from ._shared import NAME

    time.sleep(0.02)

    class Home:
        def __init__(self): time.sleep(0.03)
        async def start(self): time.sleep(0.04)
        async def handle(self):
            time.sleep(0.05)
            return NAME

    def new(): return Home()
"""
ROUTES = """
    routes:
      - {path: /home, function: home}
      - {path: /slow, function: slow}
      - {path: "/app/{rest:path}", function: site}
"""

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]


class Seen:
    """A house, a way in, and the warm-ups it told of."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.warm_ups: list[WarmUp] = []
        self.first_calls: list[WarmUp] = []
        house.signals.listen(WarmedUp, lambda said: self.warm_ups.append(said.warm_up))
        house.signals.listen(FirstCalled, lambda said: self.first_calls.append(said.warm_up))
        self._transport = httpx.ASGITransport(house.gateway)

    async def get(self, path: str) -> httpx.Response:
        async with httpx.AsyncClient(transport=self._transport, base_url="http://bff") as client:
            return await client.get(path)


@pytest.fixture
def project(write_project: Callable[..., Path]) -> Path:
    return write_project(
        {
            "routes.yaml": ROUTES,
            "functions/home.py": HOME,
            "functions/_shared.py": "NAME = 'home'\n",
            "functions/slow.py": "import time\ntime.sleep(0.2)\nasync def handle(): return 1\n",
            "functions/site.py": """
                import time
                async def app(scope, receive, send):
                    if scope["type"] != "http":
                        raise NotImplementedError
                    time.sleep(0.05)
                    await send({"type": "http.response.start", "status": 200, "headers": []})
                    await send({"type": "http.response.body", "body": b"site"})
                """,
        }
    )


async def test_each_phase_has_its_own_time(project: Path) -> None:
    """All six in their order, from the signal; what was slept shows where it was slept."""
    async with compose(load(project / "routes.yaml")) as house:
        seen = Seen(house)
        await seen.get("/home")
    [warm_up] = seen.warm_ups
    assert list(warm_up.phases) == PHASES
    assert warm_up.phases["imports"] >= 0.02
    assert warm_up.phases["construct"] >= 0.03
    assert warm_up.phases["start"] >= 0.04
    assert 0 < warm_up.phases["compile"] < 0.02
    assert warm_up.phases["read"] > 0
    assert warm_up.seconds == pytest.approx(sum(warm_up.phases.values()))
    assert [module.name for _, module in warm_up.imports.walk()] == ["", "home", "_shared"]


async def test_phases_and_first_call_are_told_to_the_caller_who_waited(project: Path) -> None:
    """``Server-Timing`` of a cold call has them all; a warm one has none."""
    async with compose(load(project / "routes.yaml")) as house:
        seen = Seen(house)
        cold, warm = await seen.get("/home"), await seen.get("/home")
    names = [part.strip().partition(";")[0] for part in cold.headers["server-timing"].split(",")]
    assert names == ["cold", *PHASES, "first_call", "handler"]
    assert "cold" not in warm.headers["server-timing"]
    [called] = seen.first_calls  # once, however many calls
    assert called.phases[FIRST_CALL] >= 0.05
    assert called.seconds == seen.warm_ups[0].seconds


async def test_a_later_warm_up_of_the_revision_reads_and_compiles_nothing(project: Path) -> None:
    """After an eviction: code is kept, packages are imported; the function's own modules run again."""
    async with compose(load(project / "routes.yaml")) as house:
        seen = Seen(house)
        await seen.get("/home")
        function = house.invoker.functions["home"]
        live = function.live
        assert live is not None
        function.rest()
        await live.gone()
        await seen.get("/home")
    first, again = seen.warm_ups
    assert (first.is_first_ever, again.is_first_ever) == (True, False)
    assert again.phases["read"] == 0.0
    assert again.phases["compile"] < first.phases["compile"]
    assert again.phases["imports"] >= 0.02
    assert len(seen.first_calls) == 2


async def test_standing_in_line_is_told_as_such(project: Path) -> None:
    """Who is imported behind a slow import shows it as ``queue``, not as a cost of its own: until help comes."""
    async with compose(load(project / "routes.yaml")) as house:
        seen = Seen(house)
        await asyncio.gather(seen.get("/slow"), seen.get("/home"))
    phases = {each.function: each.phases for each in seen.warm_ups}
    assert phases["home"]["queue"] >= HELP_AFTER / 2
    assert phases["slow"]["imports"] >= 0.2
    assert phases["slow"]["queue"] < 0.1


async def test_an_applications_first_call_lasts_until_its_answer_is_sent(project: Path) -> None:
    """What the application does in it is in it."""
    async with compose(load(project / "routes.yaml")) as house:
        seen = Seen(house)
        assert (await seen.get("/app/x")).text == "site"
        await seen.get("/app/x")
    [called] = seen.first_calls
    assert called.phases[FIRST_CALL] >= 0.05


async def test_status_shows_the_last_warm_up(project: Path) -> None:
    """In milliseconds, the first call among them."""
    async with compose(load(project / "routes.yaml"), Options(dev=True)) as house:
        seen = Seen(house)
        await seen.get("/home")
        phases = house.invoker.functions["home"].status()["warm_up_ms"]
        assert isinstance(phases, dict)
        assert list(phases) == [*PHASES, "first_call"]
        assert phases["start"] >= 40
