"""``bff dev``: save, and the next call has it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx
import pytest

from tests.conftest import GatewayFactory, Running, eventually, save
from tests.house.conftest import HELLO


def said(running: Running) -> str:
    answer = running.get("/hello")
    assert answer.status_code == 200, answer.text
    return answer.json()["said"]


def test_a_save_changes_the_answer(gateway: GatewayFactory, project: Path) -> None:
    """However the editor writes: in place, by replacing, or by deleting first."""
    running = gateway(project, "dev")
    file = project / "functions" / "hello.py"
    assert said(running) == "one"
    file.write_text(HELLO.replace("one", "two"))
    eventually(lambda: said(running) == "two")
    save(file, HELLO.replace("one", "three"))
    eventually(lambda: said(running) == "three")
    file.unlink()
    file.write_text(HELLO.replace("one", "four"))
    eventually(lambda: running.get("/hello").status_code == 200 and said(running) == "four")
    assert running.get("/hello").headers["bff-revision"].startswith("hello-dev-")


def test_under_serve_a_save_changes_nothing(gateway: GatewayFactory, project: Path) -> None:
    """Production runs what it was started with until somebody publishes."""
    running = gateway(project)
    assert said(running) == "one"
    save(project / "functions" / "hello.py", HELLO.replace("one", "two"))
    routes = project / "routes.yaml"  # which is watched: once it was read again, the save had been seen too
    save(routes, routes.read_text() + "- {path: /again, function: hello}\n")
    running.log("routes.yaml applied")
    assert said(running) == running.get("/again").json()["said"] == "one"


@pytest.fixture(scope="module")
def dev(
    module_gateway: GatewayFactory, module_project: Callable[[Mapping[str, str | bytes]], Path]
) -> Running:
    """One that is saved to again and again."""
    routes = "routes: [{path: /hello, function: hello}]\n"
    return module_gateway(module_project({"routes.yaml": routes, "functions/hello.py": HELLO}), "dev")


@pytest.mark.parametrize(
    ("text", "place", "cause"),
    [
        ("async def handle() -> dict:\n    return {'said': \n", "hello.py:2", "SyntaxError"),
        (
            "import nothing_of_that_name\n\nasync def handle() -> dict: ...\n",
            "hello.py:1",
            "ModuleNotFoundError",
        ),
        ("X = 1 / 0\n\nasync def handle() -> dict: ...\n", "hello.py:1", "ZeroDivisionError"),
        ("async def handel() -> dict: ...\n", "hello.py", "offers no handler"),
        ("async def handle(*args) -> dict: ...\n", "hello.py:1", "*args"),
        ("\x00\n", "hello.py:1", ""),
        ("import sys\nsys.exit(1)\n", "hello.py:2", "SystemExit"),
    ],
)
def test_a_broken_save_keeps_the_last_good_one(dev: Running, text: str, place: str, cause: str) -> None:
    """The terminal names file, line and cause; callers notice nothing; the next good save is taken."""
    running, project = dev, dev.folder
    answer = running.get("/hello")
    good, revision = answer.json()["said"], answer.headers["bff-revision"]
    since = running.lines_so_far
    save(project / "functions" / "hello.py", text)
    line = running.log("load failed", since=since)
    assert place in line["event"]
    assert cause in line["event"]
    assert f"{revision} goes on serving" in line["serving"]
    assert said(running) == good
    functions = httpx.get(f"{running.admin}/v1/functions", trust_env=False, timeout=60).json()
    (hello,) = [each for each in functions if each["name"] == "hello"]
    assert place in hello["failure"]
    better = f"after {len(text)}"
    save(project / "functions" / "hello.py", HELLO.replace("one", better))
    eventually(lambda: said(running) == better)


def test_shared_code_is_watched_with_the_functions_that_import_it(
    gateway: GatewayFactory, project: Path
) -> None:
    functions = project / "functions"
    (functions / "_words.py").write_text("WORD = 'shared one'\n")
    (functions / "hello.py").write_text(
        "from ._words import WORD\n\nasync def handle() -> dict:\n    return {'said': WORD}\n"
    )
    running = gateway(project, "dev")
    assert said(running) == "shared one"
    save(functions / "_words.py", "WORD = 'shared two'\n")
    eventually(lambda: said(running) == "shared two")


def test_a_new_function_and_its_route_need_no_restart(gateway: GatewayFactory, project: Path) -> None:
    running = gateway(project, "dev")
    (project / "functions" / "fresh.py").write_text("async def handle() -> str:\n    return 'fresh'\n")
    (project / "routes.yaml").write_text("routes:\n- {path: /fresh, function: fresh}\n")
    eventually(lambda: running.get("/fresh").status_code == 200)
    assert running.get("/fresh").text == "fresh"


def test_a_function_may_become_a_folder(gateway: GatewayFactory, project: Path) -> None:
    """In between there are both, which is a mistake that is told, and ends nothing."""
    running = gateway(project, "dev")
    assert said(running) == "one"
    functions = project / "functions"
    (functions / "hello").mkdir()
    (functions / "hello" / "__init__.py").write_text(HELLO.replace("one", "folder"))
    running.log("routes.yaml rejected")
    assert said(running) in ("one", "folder")
    (functions / "hello.py").unlink()
    eventually(lambda: said(running) == "folder")


def test_a_deleted_function_is_a_mistake_while_a_route_needs_it(
    gateway: GatewayFactory, project: Path
) -> None:
    """Deleting a file by accident does not take the page down."""
    running = gateway(project, "dev")
    assert said(running) == "one"
    (project / "functions" / "hello.py").unlink()
    running.log("routes.yaml rejected")
    assert said(running) == "one"
    (project / "functions" / "hello.py").write_text(HELLO.replace("one", "back"))
    eventually(lambda: said(running) == "back")


def test_a_hundred_reloads_under_eight_callers_fail_nobody(gateway: GatewayFactory, project: Path) -> None:
    """Each answer is whole from one revision, and no caller ever goes back to an older one."""
    text = """\
import asyncio

NUMBER = {0}


async def handle() -> dict:
    first = NUMBER
    await asyncio.sleep(0.002)
    return {{"first": first, "second": NUMBER, "third": later()}}


def later() -> int:
    return {0}
"""
    file = project / "functions" / "hello.py"
    file.write_text(text.format(0))
    running = gateway(project, "dev")
    assert running.get("/hello").json()["first"] == 0
    failures: list[str] = []
    seen: set[int] = set()
    stop = threading.Event()

    def call() -> None:
        newest = 0
        with httpx.Client(base_url=running.public, trust_env=False, timeout=60) as client:
            while not stop.is_set():
                answer = client.get("/hello")
                numbers = set(answer.json().values()) if answer.status_code == 200 else set()
                if len(numbers) != 1 or min(numbers) < newest:
                    failures.append(answer.text)
                    return
                newest = numbers.pop()
                seen.add(newest)

    callers = [threading.Thread(target=call) for _ in range(8)]
    for caller in callers:
        caller.start()
    try:
        for number in range(1, 101):
            since = running.lines_so_far
            save(file, text.format(number))
            running.log("revision live", since=since)
            if number % 4 == 0:
                eventually(lambda now=number: failures or now in seen)
    finally:
        stop.set()
        for caller in callers:
            caller.join(60)
    assert not failures
    assert running.get("/hello").json()["first"] == 100
    assert len(seen) > 20

    def is_idle() -> bool:
        functions = httpx.get(f"{running.admin}/v1/functions", trust_env=False, timeout=60).json()
        (hello,) = [each for each in functions if each["name"] == "hello"]
        return (hello["state"], hello["in_flight"], hello["draining"]) == ("idle", 0, 0)

    eventually(is_idle)


def test_a_functions_folder_that_comes_later_is_watched(gateway: GatewayFactory, write_project) -> None:
    """``bff dev`` may start before there is anything: the folder is found, and found again after it went."""
    running = gateway(write_project({"routes.yaml": "routes: []\n"}), "dev")
    functions = running.folder / "functions"

    def saved(text: str) -> None:
        functions.mkdir(exist_ok=True)
        (functions / "late.py").write_text(f"async def handle() -> str:\n    return '{text}'\n")

    def heard() -> str:
        return running.get("/late").text

    saved("one")
    save(running.folder / "routes.yaml", "routes:\n- {path: /late, function: late}\n")
    eventually(lambda: heard() == "one")
    saved("two")
    eventually(lambda: heard() == "two")
    (functions / "late.py").unlink()
    functions.rmdir()
    saved("three")
    eventually(lambda: heard() == "three")
    saved("four")
    eventually(lambda: heard() == "four")
