"""The command itself starts fast and says what it is."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import bff

if TYPE_CHECKING:
    from tests.cli.conftest import Shell

HEAVY = ("httpx", "pydantic", "starlette", "uvicorn", "rich", "structlog", "ruamel", "asyncio", "bff.config")
COMMANDS = ("dev", "serve", "check", "schema", "init", "new", "list", "invoke")


def test_help_imports_nothing_heavy() -> None:
    """``bff --help`` loads typer and our list of commands, and nothing that does work."""
    listing = "import sys; sys.argv[1:] = ['--help']\nfrom bff.cli import main\ntry: main()\nexcept SystemExit: pass\n"
    done = subprocess.run(
        [sys.executable, "-c", f"{listing}print(*sys.modules, file=sys.stderr)"],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {
        name.partition(".")[0] if "." not in heavy else name
        for heavy in HEAVY
        for name in done.stderr.split()
    }
    assert not loaded & set(HEAVY)
    assert all(command in done.stdout for command in COMMANDS)


COLLECTOR = """\
import gc, sys
from bff.cli import main
import atexit
sys.argv[1:] = ["schema"]
atexit.register(lambda: print("collector:", gc.isenabled(), file=sys.stderr))
main()
"""


def test_commands_run_with_the_collector() -> None:
    """It is off while the command line is imported, and no longer."""
    done = subprocess.run([sys.executable, "-c", COLLECTOR], capture_output=True, text=True, check=False)
    assert done.stderr == "collector: True\n", done.stderr


def test_the_version_is_the_packages(bff_: Shell) -> None:
    """``bff --version`` says which one is installed."""
    assert bff_("--version").out == f"bff {bff.__version__}\n"


@pytest.fixture
def bff_(request: pytest.FixtureRequest) -> Shell:
    """The shell, under a name that leaves ``bff`` to the package."""
    shell: Shell = request.getfixturevalue("bff")
    return shell


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(bff_: Shell, command: str) -> None:
    """``--help`` of each works and names what it takes."""
    ran = bff_(command, "--help")
    assert ran.code == 0
    assert "Usage: " in ran.out


def test_an_unknown_command_is_told_apart(bff_: Shell) -> None:
    """A wrong word ends with 2 and the word that was probably meant."""
    ran = bff_("chekc")
    assert ran.code == 2
    assert "check" in ran.err
