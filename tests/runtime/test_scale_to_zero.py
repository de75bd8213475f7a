"""Functions that nobody calls cost nothing: with a clock moved by hand, through the whole gateway."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bff.testing import Client, ManualClock, blocking_client, client
from tests.conftest import eventually, write

OBJECT = """
    from pathlib import Path

    LOG = Path(__file__).parent.parent / "log.txt"
    ALIVE = LOG.with_name("dead.txt")

    class Counter:
        def __init__(self): self.calls = 0
        async def start(self): note("start")
        async def stop(self): note("stop")
        def alive(self): return (not ALIVE.exists(), "the file says so")
        async def handle(self):
            self.calls += 1
            return {"calls": self.calls}

    def note(what):
        with LOG.open("a") as log:
            log.write(what + " ")

    def new(): return Counter()
"""


@contextmanager
def project(folder: Path, settings: str = "", source: str = OBJECT) -> Iterator[tuple[Client, ManualClock]]:
    routes = "routes:\n" + "".join(f"  - {{path: /{name}, function: {name}}}\n" for name in ("a", "b", "c"))
    write(
        folder,
        {
            "routes.yaml": settings + routes,
            **{f"functions/{name}.py": source for name in ("a", "b", "c")},
        },
    )
    clock = ManualClock()
    with blocking_client(folder / "routes.yaml", clock=clock) as caller:
        yield caller, clock


def log(folder: Path) -> list[str]:
    return (folder / "log.txt").read_text().split() if (folder / "log.txt").exists() else []


def is_cold(caller: Client, path: str) -> bool:
    return "cold" in caller.get(path).headers["server-timing"]


def test_an_idle_function_goes_and_comes_back(tmp_path: Path) -> None:
    """After ``idle`` without a call its stop runs and its memory is let go; the next call warms it again."""
    with project(tmp_path) as (caller, _):
        assert is_cold(caller, "/a")
        caller.advance(30)
        assert caller.get("/a").json() == {"calls": 2}
        caller.advance(50)
        assert caller.get("/a").json() == {"calls": 3}  # 50 s since the last call: still there
        caller.advance(70)
        assert log(tmp_path) == ["start", "stop"]
        assert is_cold(caller, "/a")
        assert caller.get("/a").json() == {"calls": 2}
    assert log(tmp_path) == ["start", "stop", "start", "stop"]


def test_min_keeps_a_function_warm(tmp_path: Path) -> None:
    """With ``min: 1`` it is warm before the first call, and never goes."""
    with project(tmp_path, "functions: {a: {scale: {min: 1}}}\n") as (caller, _):
        eventually(lambda: caller.advance(0.01) or log(tmp_path) == ["start"])
        caller.advance(10_000)
        assert not is_cold(caller, "/a")
        assert log(tmp_path) == ["start"]


def test_min_is_stronger_than_the_cap(tmp_path: Path) -> None:
    """The cap takes others; and what ``min`` keeps comes back whatever ended it."""
    settings = "gateway: {max_warm: 1}\nfunctions: {a: {scale: {min: 1}}}\n"
    with project(tmp_path, settings) as (caller, _):
        eventually(lambda: caller.advance(0.01) or log(tmp_path) == ["start"])
        caller.get("/b")
        caller.get("/c")
        caller.advance(3)
        assert not is_cold(caller, "/a")
        assert is_cold(caller, "/b")


def test_min_is_tried_again_until_it_can_be_warmed(tmp_path: Path) -> None:
    """What stood in the way at the start may have gone: nobody has to call for the gateway to find out."""
    source = OBJECT.replace(
        'async def start(self): note("start")',
        'async def start(self):\n            assert ALIVE.exists(), "not yet"\n            note("start")',
    ).replace("not ALIVE.exists()", "True")
    with project(tmp_path, "functions: {a: {scale: {min: 1}}}\n", source) as (caller, _):
        caller.advance(20)
        assert log(tmp_path) == []
        (tmp_path / "dead.txt").touch()
        eventually(lambda: caller.advance(1) or log(tmp_path) == ["start"])
        assert not is_cold(caller, "/a")


def test_who_is_never_alive_is_asked_less_often_and_goes_when_idle(tmp_path: Path) -> None:
    """A new instance is no call: it does not keep the function warm, nor is one made every ten seconds for ever."""
    with project(tmp_path, "defaults: {scale: {idle: 100s}}\n") as (caller, _):
        caller.get("/a")
        (tmp_path / "dead.txt").touch()
        for _ in range(110):
            caller.advance(1)
            eventually(lambda: log(tmp_path).count("start") - log(tmp_path).count("stop") in (0, 1))
        # Made for the call, and 10 s, 20 s and 40 s after one another.
        assert 2 <= log(tmp_path).count("start") <= 5
        assert log(tmp_path).count("stop") == log(tmp_path).count("start")
        assert caller.get("/b").status_code == 200


def test_the_one_called_longest_ago_goes_first(tmp_path: Path) -> None:
    """Over ``max_warm`` the least recently used function is evicted, not the newest."""
    with project(tmp_path, "gateway: {max_warm: 2}\n") as (caller, _):
        for path in ("/a", "/b", "/a"):
            caller.get(path)
            caller.advance(1)
        caller.get("/c")
        caller.advance(1)
        assert log(tmp_path).count("stop") == 1
        assert not is_cold(caller, "/a")
        assert is_cold(caller, "/b")


def test_an_instance_that_is_not_alive_is_replaced(tmp_path: Path) -> None:
    """``alive`` is asked every ten seconds; a no brings a fresh instance, and calls go on meanwhile."""
    with project(tmp_path) as (caller, _):
        assert caller.get("/a").json() == {"calls": 1}
        (tmp_path / "dead.txt").touch()
        caller.advance(13)
        (tmp_path / "dead.txt").unlink()
        # The import takes the loader's thread its own time, which no test moves.
        eventually(lambda: caller.advance(0.01) or log(tmp_path).count("start") == 2)
        caller.advance(0.01)
        assert caller.get("/a").json() == {"calls": 1}
        assert log(tmp_path)[:3].count("start") == 2


def test_who_finds_the_line_full_is_told_when_to_come_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503 with Retry-After, at once and by name; those who stand in line are answered."""
    monkeypatch.setattr("bff.runtime.crowd.LONGEST", 3)
    source = """
        import asyncio
        from pathlib import Path
        class Slow:
            async def start(self):
                while not Path(__file__).with_name("go").exists(): await asyncio.sleep(0.005)
            async def handle(self): return "ok"
        def new(): return Slow()
    """
    write(tmp_path, {"routes.yaml": "routes: [{path: /s, function: slow}]\n", "functions/slow.py": source})

    async def story() -> None:
        async with client(tmp_path / "routes.yaml") as slow:
            calls = [asyncio.create_task(slow.get("/s")) for _ in range(4)]
            (refused,), waiting = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
            answer = await refused
            assert (answer.status_code, answer.json()["code"]) == (503, "overloaded")
            assert answer.headers["retry-after"] == "1"
            (tmp_path / "functions/go").touch()
            assert [(await each).status_code for each in waiting] == [200] * 3

    asyncio.run(story())


def test_concurrency_is_a_hard_limit(tmp_path: Path) -> None:
    """Never more calls inside than ``concurrency``; the others wait in line and are all served."""
    source = """
        import asyncio
        inside = most = 0
        async def handle():
            global inside, most
            inside += 1
            most = max(most, inside)
            for _ in range(5):
                await asyncio.sleep(0)
            inside -= 1
            return {"most": most}
    """
    settings = "functions: {narrow: {concurrency: 3}}\nroutes: [{path: /n, function: narrow}]\n"
    write(tmp_path, {"routes.yaml": settings, "functions/narrow.py": source})

    async def story() -> set[int]:
        async with client(tmp_path / "routes.yaml") as narrow:
            answers = await asyncio.gather(*(narrow.get("/n") for _ in range(200)))
            assert {answer.status_code for answer in answers} == {200}
            return {answer.json()["most"] for answer in answers}

    assert max(asyncio.run(story())) == 3
