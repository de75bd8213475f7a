"""The fixtures come with the package: a plain pytest finds them, and they cost nothing until asked for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

import bff.testing

HEAVY = ("httpx", "anyio", "pydantic", "starlette", "bff.app", "bff.config")


def run(folder: Path, test: str, *args: str) -> subprocess.CompletedProcess[str]:
    """pytest in a process of its own, on one test file."""
    file = folder / "tests/deep/test_it.py"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(dedent(test))
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", *args],
        cwd=folder,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_plugin_is_light() -> None:
    """It is imported by every pytest run of everybody who has the package."""
    done = subprocess.run(
        [sys.executable, "-c", "import sys, bff.testing.plugin; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert not set(done.stdout.split()) & set(HEAVY)


def test_every_name_of_the_shop_window_is_there() -> None:
    """``bff.testing`` imports each lazily; none is a module that hides what it should give."""
    for name in bff.testing.__all__:
        assert callable(getattr(bff.testing, name))
    assert set(bff.testing.__all__) <= set(dir(bff.testing))
    with pytest.raises(AttributeError, match="no attribute 'cleint'"):
        bff.testing.cleint  # noqa: B018


def test_the_fixtures_find_routes_yaml_and_share_stubs_and_clock(project: Path) -> None:
    """Upward from the test's file; one set of stubs and one clock for the client and the test."""
    done = run(
        project,
        """
        from bff.testing import Client, ManualClock, StubServices


        def test_home(bff_client: Client, bff_stubs: StubServices, bff_clock: ManualClock) -> None:
            began = bff_clock.now()
            bff_stubs.users.get("/users/7").answers({"name": "Ann"})
            bff_stubs.notices.get("/notices").hangs()
            answer = bff_client.get("/api/home/7")
            assert answer.json() == {"name": "Ann", "notices": None}
            assert answer.headers["bff-missing"] == "notices"
            bff_stubs.users.assert_called_once()
            assert round(bff_clock.now() - began, 3) == 0.2
        """,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


def test_a_missing_stub_is_told_in_the_fixtures_own_name(project: Path) -> None:
    """The line in the failure can be pasted into the test."""
    done = run(
        project,
        """
        def test_home(bff_client):
            bff_client.get("/api/home/7")
        """,
    )
    assert done.returncode == 1
    assert 'bff_stubs.users.get("/users/7").answers(' in done.stdout


def test_a_function_that_raises_shows_why_beside_the_failed_test(project: Path) -> None:
    """The log line with the function's traceback is on standard error, which pytest keeps for failures."""
    (project / "functions/hello.py").write_text("async def handle():\n    raise ValueError('the reason')\n")
    done = run(
        project,
        """
        def test_hello(bff_client):
            assert bff_client.get("/api/hello").status_code == 200
        """,
    )
    assert done.returncode == 1
    assert "the reason" in done.stdout


def test_another_configuration_is_one_fixture_away(project: Path) -> None:
    """Overriding ``bff_config`` chooses it."""
    (project / "other.yaml").write_text("routes:\n  - {path: /other, function: hello}\n")
    done = run(
        project,
        """
        from pathlib import Path

        import pytest


        @pytest.fixture
        def bff_config():
            return Path(__file__).parents[2] / "other.yaml"


        def test_other(bff_client):
            assert bff_client.get("/other").status_code == 200
        """,
    )
    assert done.returncode == 0, done.stdout + done.stderr


TOUCH = "def test_it(bff_client): ...\n"


def test_no_routes_yaml_is_one_sentence(tmp_path: Path) -> None:
    """Not a traceback through our fixtures."""
    done = run(tmp_path, TOUCH, "--rootdir", str(tmp_path))
    assert done.returncode == 1
    assert "no routes.yaml in" in done.stdout
    assert "Traceback" not in done.stdout


def test_a_broken_routes_yaml_is_its_mistakes(project: Path) -> None:
    """As ``bff check`` would say them."""
    (project / "routes.yaml").write_text("timeuot: 1\n")
    done = run(project, TOUCH)
    assert done.returncode == 1
    assert "routes.yaml:1:1: timeuot: unknown key" in done.stdout


def test_asynchronous_tests_open_the_client_themselves(project: Path) -> None:
    """With anyio's plugin, which is installed with us: a mark and the backend's name."""
    done = run(
        project,
        """
        import asyncio

        import pytest

        import bff.testing


        @pytest.fixture
        def anyio_backend():
            return "asyncio"


        @pytest.mark.anyio
        async def test_home(bff_config, bff_stubs, bff_clock):
            bff_stubs.users.get("/users/7").answers({"name": "Ann"})
            bff_stubs.notices.get("/notices").answers([])
            async with bff.testing.client(bff_config, stubs=bff_stubs, clock=bff_clock) as page:
                answers = await asyncio.gather(page.get("/api/home/7"), page.get("/api/home/7"))
            assert [answer.status_code for answer in answers] == [200, 200]
        """,
    )
    assert done.returncode == 0, done.stdout + done.stderr
