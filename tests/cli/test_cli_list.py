"""``bff list``: what is there and how it is reached."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import eventually

if TYPE_CHECKING:
    from tests.cli.conftest import Shell

ROUTES = """
functions:
  home: {timeout: 3s, env: {API_KEY: "${KEY:-sesame}", MODE: plain}}
routes:
  - {path: "/api/home/{user}", function: home, timeout: 1s}
  - {path: "/api/home/[x]", methods: [PUT, POST], function: home}
"""


@pytest.fixture
def laid_out(project: Callable[..., Path]) -> Path:
    return project(ROUTES, home="raise RuntimeError('never imported')\n", about="")


def test_people_get_a_table(bff: Shell, laid_out: Path) -> None:
    """Every function with its routes and their own limits; nothing is imported for it."""
    ran = bff("list")
    assert ran.code == 0
    rows = [line.split() for line in ran.out.splitlines()]
    assert ["home", "GET", "/api/home/{user}", "(1s)", "3s", "API_KEY", "MODE", "functions/home.py"] in rows
    assert ["PUT,POST", "/api/home/[x]"] in rows
    assert ["about", "none", "10s", "functions/about.py"] in rows


def test_programs_get_json(bff: Shell, laid_out: Path) -> None:
    """The same, seconds as numbers."""
    about, home = bff("list", "--json").json
    assert about["name"] == "about"
    assert home["routes"][0] == {"path": "/api/home/{user}", "methods": ["GET"], "timeout": 1.0}
    assert home["env"] == ["API_KEY", "MODE"]


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_settings_are_named_and_never_shown(bff: Shell, laid_out: Path, options: tuple[str, ...]) -> None:
    """A value may be a secret, so no form of the list holds one."""
    ran = bff("list", *options, KEY="opensesame")
    assert "sesame" not in ran.out + ran.err
    assert "plain" not in ran.out + ran.err


def test_mistakes_come_instead_of_a_list(bff: Shell, project: Callable[..., Path]) -> None:
    """A file that cannot be used is told as ``bff check`` would, in either form."""
    project("timeuot: 3\n")
    ran = bff("list")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("routes.yaml:1:1: timeuot: unknown key")
    assert bff("list", "--json").json["ok"] is False


def test_an_empty_project_says_how_to_begin(bff: Shell, project: Callable[..., Path]) -> None:
    """No table without rows."""
    project("")
    ran = bff("list")
    assert (ran.code, ran.out) == (0, "")
    assert "bff new NAME" in ran.err


def test_without_a_gateway_the_folder_is_told(bff: Shell, laid_out: Path) -> None:
    """The command says so, and that it is not all there is; for programs every function has no state."""
    ran = bff("list")
    assert (ran.code, "home" in ran.out) == (0, True)
    assert ran.err == "no gateway answers at http://127.0.0.1:9: this is what the folder says\n"
    assert [each["running"] for each in bff("list", "--json").json] == [None, None]


RUNNING = """
functions:
  work: {isolation: process, scale: {idle: 1s, window: 6s}}
routes:
- {path: /slow, function: slow}
- {path: /stuck, function: stuck}
- {path: /hurried, function: stuck, timeout: 200ms}
- {path: /work, function: work}
- {path: /broken, function: broken}
"""
SLOW = """
import time
from pathlib import Path
async def handle():
    while not Path("HERE/noticed").exists(): time.sleep(0.01)
    return 1
"""
STUCK = "import time\ndef handle(hang: bool = False):\n    if hang: time.sleep(600)\n    return 1\n"
BROKEN = "import nowhere\nasync def handle(): ...\n"


def test_a_running_gateway_tells_how_its_functions_are(
    bff: Shell, project: Callable[..., Path], gateway: Callable[..., Any], tmp_path: Path
) -> None:
    """State, instances, calls, warm-ups, last use, evictions, memory that came back; and what needs somebody,
    with its remedy.
    """
    work = "async def handle(): return 1\n"
    slow = SLOW.replace("HERE", str(tmp_path))
    served = gateway(project(RUNNING, slow=slow, stuck=STUCK, work=work, broken=BROKEN, idle=work), "serve")
    with ThreadPoolExecutor(1) as beside:
        blocking = beside.submit(served.get, "/slow")
        served.log("the event loop is blocked", function="slow")
        (tmp_path / "noticed").touch()
        assert blocking.result(60).status_code == 200
    paths = ("/stuck", "/hurried?hang=true", "/work", "/broken")
    assert [served.get(path).status_code for path in paths] == [200, 504, 200, 500]

    def told() -> dict[str, Any]:
        listed = bff("list", "--json", "--admin", served.admin).json
        return {each["name"]: each["running"] for each in listed}

    eventually(lambda: told()["work"]["bytes_returned"] and told()["stuck"]["stuck_threads"])
    # A URL may come from the environment, and without its scheme, as the option of ``bff serve`` is given.
    ran = bff("list", BFF_ADMIN=served.admin.removeprefix("http://"))
    assert ran.code == 0
    lines = {
        line.split()[0]: line.split() for line in ran.out.splitlines() if "-0000" in line or "cold" in line
    }
    assert lines["slow"][1:6] == ["slow-00001", "idle", "1", "0", "0"]
    assert lines["slow"][6] == "1"
    assert "ago" in lines["slow"]
    assert lines["work"][2:4] == ["cold", "0"]
    assert lines["work"][-1] == "MiB"
    assert lines["idle"] == ["idle", "cold", "0", "0", "0", "0", "0"]
    assert "slow blocked the event loop once" in ran.err
    assert "functions/slow.py:5" in ran.err
    assert "set `isolation: process` for slow in routes.yaml" in ran.err
    assert "stuck has threads that do not end: 1" in ran.err
    assert "set `isolation: process` for stuck in routes.yaml" in ran.err
    assert "broken could not be loaded: functions/broken.py:1" in ran.err


@pytest.mark.parametrize(
    ("admin", "why"),
    [
        ("ftp://127.0.0.1:1", "no gateway answers at ftp://127.0.0.1:1"),
        ("http://[", "no gateway answers at http://["),
        ("localhost:admin", "localhost:admin is no address of an admin listener"),
        ("PUBLIC", "answers 404 to /v1/functions"),
        ("PAGE", "is no gateway's admin listener"),
    ],
)
def test_who_is_no_gateway_is_told_as_such(
    bff: Shell, project: Callable[..., Path], gateway: Callable[..., Any], admin: str, why: str
) -> None:
    """And the folder is told all the same."""
    page = 'async def handle(): return [{"no": "name"}]\n'
    routes = "routes: [{path: /v1/functions, function: page}]\n" if admin == "PAGE" else ""
    folder = project(routes, page=page)
    if admin.isupper():
        admin = gateway(folder, "serve").public
    ran = bff("list", "--admin", admin)
    assert (ran.code, "functions/page.py" in ran.out) == (0, True)
    assert why in ran.err
    assert ran.err.endswith(": this is what the folder says\n")
