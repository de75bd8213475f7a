"""``bff release`` and those who change how one goes: a release that stays in its first step until somebody acts."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import eventually, save

if TYPE_CHECKING:
    from tests.cli.conftest import Ran, Shell
    from tests.conftest import Running

ROUTES = """
functions: {hello: {release: {strategy: canary, steps: [10, 50, 100], interval: 1h}}}
routes: [{path: /hello, function: hello}]
"""
SOURCE = 'async def handle() -> str:\n    return "1"\n'


class Operator:
    """Somebody with a release under way; ``watch`` is a second terminal."""

    def __init__(self, shell: Shell, running: Running, folder: Path) -> None:
        self._shell = shell
        self.running = running
        self._folder = folder
        self.watchers: list[subprocess.Popen[str]] = []

    def __call__(self, *args: str) -> Ran:
        return self._shell(*args, BFF_ADMIN=self.running.admin)

    def deploy(self, number: int) -> None:
        save(self._folder / "functions/hello.py", SOURCE.replace("1", str(number)))
        ran = self("deploy", "hello")
        assert ran.code == 0, ran.err

    def watch(self, *args: str) -> Callable[[], tuple[int, str]]:
        """Begin to watch; what is returned waits for the end: exit code, and all that was said."""
        command = [
            sys.executable,
            "-m",
            "bff.cli",
            "release",
            "hello",
            "--watch",
            "--admin",
            self.running.admin,
        ]
        watcher = subprocess.Popen(
            [*command, *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=self._folder
        )
        self.watchers.append(watcher)
        assert watcher.stdout is not None
        first = watcher.stdout.readline()
        assert "10" in first

        def ended() -> tuple[int, str]:
            rest, _ = watcher.communicate(timeout=60)
            return watcher.returncode, first + rest

        return ended


@pytest.fixture
def operator(bff: Shell, project: Callable[..., Path], gateway: Callable[..., Any]) -> Iterator[Operator]:
    folder = project(ROUTES, hello=SOURCE)
    made = Operator(bff, gateway(folder), folder)
    assert made.running.get("/hello").text == "1"
    made.deploy(2)
    yield made
    for watcher in made.watchers:
        if watcher.poll() is None:
            watcher.kill()
            watcher.communicate()


def test_it_is_told_as_it_is(operator: Operator) -> None:
    """In a line for people, whole for programs."""
    assert operator("release", "hello").out == "hello-00002 has 10 % (step 1 of 3), next to hello-00001\n"
    told = operator("release", "hello", "--json").json
    assert told["running"] is True
    assert (told["release"]["canary"], told["release"]["baseline"]) == ("hello-00002", "hello-00001")


def test_it_is_paused_and_goes_on(operator: Operator) -> None:
    """Traffic stays where it is; what cannot happen to it is refused with what can."""
    before = operator("traffic", "hello", "--json").json["traffic"]
    paused = operator("pause", "hello", "--why", "lunch")
    assert (paused.code, "paused" in paused.err) == (0, True)
    again = operator("pause", "hello")
    assert again.code == 1
    assert "resume" in again.err
    assert operator("traffic", "hello", "--json").json["traffic"] == before
    resumed = operator("resume", "hello")
    assert (resumed.code, "paused" in resumed.err) == (0, False)
    history = operator("history", "hello", "--json").json
    assert [(each["what"], each["why"]) for each in history[:2]] == [("resume", ""), ("pause", "lunch")]


def test_who_watches_sees_it_promoted(operator: Operator) -> None:
    """Exit code 0, and the new revision has all calls."""
    ended = operator.watch()
    assert operator("promote", "hello").code == 0
    code, said = ended()
    assert (code, said.splitlines()[-1]) == (0, "hello-00002 was promoted")
    assert operator.running.get("/hello").text == "2"
    assert operator("release", "hello", "--watch").code == 0, "it has ended well already"


def test_who_watches_sees_it_rolled_back(operator: Operator) -> None:
    """Exit code 1, and the reason that somebody gave."""
    ended = operator.watch("--json")
    assert operator("rollback", "hello", "--why", "customers call").code == 0
    code, said = ended()
    assert (code, '"rolled-back"' in said.splitlines()[-1]) == (1, True)
    told = operator("release", "hello", "--watch")
    assert (told.code, told.out) == (1, "hello-00002 was rolled back to hello-00001\n")
    assert told.err == "customers call\n"


def test_what_was_taken_back_is_released_again_by_name(operator: Operator) -> None:
    """Deploying it again says that, and how; `--again` does it."""
    assert operator("rollback", "hello").code == 0
    marked = operator("versions", "hello").out
    assert "hello-00002 (latest, taken back)" in marked
    again = operator("deploy", "hello")
    assert again.code == 0
    assert "`bff deploy hello --again` releases it once more" in again.err
    assert operator("release", "hello").out.startswith("hello-00002 was rolled back")
    released = operator("deploy", "hello", "--again")
    assert (released.code, released.out) == (0, "hello-00002\n")
    assert "hello-00002 has 10 % (step 1 of 3), next to hello-00001" in released.err


def test_who_watches_hears_of_a_newer_revision(operator: Operator) -> None:
    """It takes the release over; whoever deployed the older one must not promote it now."""
    ended = operator.watch()
    operator.deploy(3)
    code, said = ended()
    assert (code, said.splitlines()[-1]) == (1, "a newer revision has taken over the release of hello-00002")
    assert operator("release", "hello").out.startswith("hello-00003 has 10 %")


def test_traffic_by_hand_ends_it(operator: Operator) -> None:
    """Somebody has decided otherwise."""
    ended = operator.watch()
    assert operator("traffic", "hello", "hello-00001=50", "hello-00002=50").code == 0
    code, said = ended()
    assert (code, "superseded" in said) == (1, True)


def test_a_gateway_that_ends_lets_its_watchers_go(operator: Operator) -> None:
    """At once, and they are told that the release goes on."""
    ended = operator.watch()
    assert operator.running.stop() == 0
    code, said = ended()
    assert code == 1
    assert "goes on" in said or "broke off" in said or "no gateway answers" in said


def test_one_who_leaves_is_forgotten(operator: Operator) -> None:
    """The gateway holds nothing for a watcher that is gone."""
    operator.watch()
    operator.watchers[0].kill()
    operator.watchers[0].communicate()
    eventually(lambda: operator("release", "hello").code == 0)
