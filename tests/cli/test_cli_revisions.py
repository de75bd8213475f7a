"""The commands that talk to a running gateway: deploy, look, move, go back; and what they say when it says no."""

from __future__ import annotations

import json
import socket
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from bff.cli.commands import app
from tests.conftest import eventually, save

if TYPE_CHECKING:
    from tests.cli.conftest import Ran, Shell
    from tests.conftest import Running

ROUTES = "routes: [{path: /hello, function: hello}]\n"
ONE = 'async def handle() -> str:\n    return "one"\n'
TWO = ONE.replace("one", "two")


class Operator:
    """Somebody at a terminal in the project's folder, beside its running gateway."""

    def __init__(self, shell: Shell, running: Running, folder: Path) -> None:
        self._shell = shell
        self.running = running
        self.folder = folder

    def __call__(self, *args: str, **environ: str) -> Ran:
        return self._shell(*args, **{"BFF_ADMIN": self.running.admin, **environ})

    def deploy(self, source: str, *args: str) -> Ran:
        save(self.folder / "functions/hello.py", source)
        return self("deploy", "hello", *args)

    def said(self) -> str:
        return self.running.get("/hello").text


@pytest.fixture
def operator(bff: Shell, project: Callable[..., Path], gateway: Callable[..., Any]) -> Operator:
    """One revision serves already."""
    folder = project(ROUTES, hello=ONE)
    made = Operator(bff, gateway(folder), folder)
    assert made.said() == "one"
    return made


def test_a_deploy_is_live_and_a_rollback_brings_the_old_one_back(operator: Operator) -> None:
    """The name alone on standard output, the answers of the revision it names, and the way back."""
    ran = operator.deploy(TWO, "--note", "says two")
    assert (ran.code, ran.out) == (0, "hello-00002\n"), ran.err
    assert operator.said() == "two"
    listed = operator("versions", "hello", "--json").json
    assert [(each["name"], each["percent"], each["note"]) for each in listed] == [
        ("hello-00002", 100, "says two"),
        ("hello-00001", 0, ""),
    ]
    back = operator("rollback", "hello", "--why", "too many")
    assert (back.code, back.out) == (0, "")
    assert "hello-00001=100" in back.err
    assert operator.said() == "one"
    history = operator("history", "hello", "--json").json
    assert (history[0]["who"], history[0]["what"], history[0]["why"]) == ("local", "rollback", "too many")
    forward = operator("rollback", "hello", "--to", "hello-00002")
    assert forward.code == 0
    assert operator.said() == "two"


def test_without_a_name_every_function_is_deployed(
    bff: Shell, project: Callable[..., Path], gateway: Callable[..., Any]
) -> None:
    """A name a line; what has not changed is what it was."""
    folder = project(ROUTES, hello=ONE, other=ONE)
    environ = {"BFF_ADMIN": gateway(folder).admin}
    for name in ("hello", "other"):  # the folder is published once the gateway listens
        eventually(lambda name=name: bff("versions", name, "--json", **environ).json, within=30)
    save(folder / "functions/other.py", TWO)
    ran = bff("deploy", **environ)
    assert (ran.code, ran.out.splitlines()) == (0, ["hello-00001", "other-00002"]), ran.err
    told = bff("deploy", "--json", **environ).json
    assert [(each["revision"]["name"], each["new"]) for each in told] == [
        *(("hello-00001", False), ("other-00002", False)),
    ]


def test_the_same_files_are_the_same_revision(operator: Operator) -> None:
    """A deploy may be repeated: nothing is new then, and its name is the same."""
    first, again = operator.deploy(TWO), operator.deploy(TWO)
    assert first.out == again.out == "hello-00002\n"
    assert "nothing is new" in again.err
    assert len(operator("versions", "hello", "--json").json) == 2


def test_a_deploy_that_cannot_serve_changes_nothing(operator: Operator) -> None:
    """A syntax error ends here with its line; a module that raises, and a check() that says no, ends there."""
    broken = operator.deploy("def handle(:\n")
    assert (broken.code, broken.out) == (1, "")
    assert broken.err.startswith("functions/hello.py:1:")
    assert "SyntaxError" in broken.err
    raising = operator.deploy("raise RuntimeError('no key')\n")
    assert raising.code == 1
    assert "functions/hello.py:1" in raising.err
    assert "no key" in raising.err
    refusing = operator.deploy(
        f"{TWO}\n\ndef check() -> tuple[bool, str]:\n    return False, 'the shop is closed'\n"
    )
    assert refusing.code == 1
    assert "the shop is closed" in refusing.err
    assert "remedy" in refusing.err
    assert operator.said() == "one"
    assert [each["name"] for each in operator("versions", "hello", "--json").json] == ["hello-00001"]


def test_a_deploy_without_traffic_is_reached_by_its_tag_only(operator: Operator) -> None:
    """Until somebody promotes it; the tag stays where it is."""
    ran = operator.deploy(TWO, "--no-traffic", "--tag", "candidate")
    assert ran.code == 0, ran.err
    assert operator.said() == "one"
    assert "has no calls" not in ran.err, "nobody wanted it to have any"
    assert "hello-00002 has no calls: `bff promote hello` gives it" in operator("deploy", "hello").err
    (first, _) = operator("versions", "hello", "--json").json
    assert (first["percent"], first["tags"]) == (0, ["candidate"])
    assert operator("promote", "hello").code == 0
    assert operator.said() == "two"
    assert operator("traffic", "hello", "--json").json["traffic"][-1]["tag"] == "candidate"
    gone = operator("tag", "hello", "candidate", "--delete")
    assert gone.code == 0
    again = operator("tag", "hello", "candidate", "--delete")
    assert (again.code, again.err) == (1, "Function hello has no tag candidate; it has none.\n")
    assert "candidate" not in operator("traffic", "hello", "--json").out


def test_traffic_is_split_shown_and_kept_by_its_tags(operator: Operator) -> None:
    """Shares as they were written; what scripts need is one word."""
    operator.deploy(TWO, "--tag", "new")
    ran = operator("traffic", "hello", "hello-00001=70", "latest=30", "--why", "slowly")
    assert ran.code == 0, ran.err
    assert ran.err == "hello: hello-00001=70 latest=30 hello-00002=0 (new)\n"
    assert {operator.said() for _ in range(60)} == {"one", "two"}
    assert operator("traffic", "hello", "--most").out == "hello-00001\n"
    assert "latest (hello-00002)" in operator("traffic", "hello").out
    kept = operator("rollback", "hello", "--from", "hello-00009", "--to", "hello-00001")
    assert (kept.code, "has no calls; nothing to do" in kept.err) == (0, True)
    assert operator("traffic", "hello", "--most").out == "hello-00001\n"
    taken = operator("rollback", "hello", "--from", "hello-00002", "--to", "hello-00001")
    assert (taken.code, operator.said()) == (0, "one")


REFUSED: list[tuple[tuple[str, ...], int, str]] = [
    (("traffic", "hello", "hello-00001=90"), 1, "sum up to 90"),
    (("traffic", "hello", "hello-00001=90", "hello-00007=10"), 1, "no revision hello-00007"),
    (("traffic", "hello", "hello-00001"), 2, "REVISION=PERCENT"),
    (("traffic", "hello", "hello-00001=x"), 2, "REVISION=PERCENT"),
    (("traffic", "helo"), 1, "did you mean hello?"),
    (("tag", "hello", "new", "hello-00007"), 1, "no revision hello-00007"),
    (("tag", "hello", "No Name", "hello-00001"), 1, "tag"),
    (("tag", "hello", "new"), 2, "--delete"),
    (("rollback", "hello"), 1, "hello-00001"),
    (("rollback", "hello", "--to", "hello-00007"), 1, "no revision hello-00007"),
    (("diff", "hello", "hello-00001", "hello-00007"), 1, "no revision hello-00007"),
    (("deploy", "helo"), 1, "did you mean hello?"),
    (("deploy", "hello", "--tag", "No Name"), 1, "tag"),
    (("token", "create", "a b"), 1, "did not fit"),
    (("token", "create", "x", "--scope", "all"), 1, "did not fit"),
    (("token", "revoke", "nobody"), 1, "bff token list"),
    (("pause", "hello"), 1, "release"),
]


def test_what_cannot_be_is_told_with_its_remedy(operator: Operator) -> None:
    """One sentence on standard error, or one object for programs; nothing has changed. In this process: two
    dozen commands, and a process for each would take most of the time.
    """
    before = operator("traffic", "hello", "--json").json
    env = {"BFF_ADMIN": operator.running.admin, "BFF_CONFIG": str(operator.folder)}
    for args, code, words in REFUSED:
        ran = CliRunner().invoke(app, list(args), env=env)
        assert (ran.exit_code, ran.stdout) == (code, ""), (args, ran.stderr)
        assert words in ran.stderr, (args, ran.stderr)
    for args in (("rollback", "hello"), ("deploy", "helo"), ("traffic", "hello", "x")):
        told = json.loads(CliRunner().invoke(app, [*args, "--json"], env=env).stdout)
        assert told["ok"] is False
        assert told["error"]
    assert operator("traffic", "hello", "--json").json == before


def test_who_breaks_off_is_told_from_who_is_not_there(bff: Shell, project: Callable[..., Path]) -> None:
    """Whether a change was made nobody can say then; the command says where that can be seen."""
    project(ROUTES, hello=ONE)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def break_off() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(1)

        gone = threading.Thread(target=break_off, daemon=True)
        gone.start()
        ran = bff("promote", "hello", "--admin", f"127.0.0.1:{listening.getsockname()[1]}")
        gone.join(20)
    assert ran.code == 1
    assert "broke off before it had answered: a change may have been made or not; `bff versions`" in ran.err


def test_nobody_there_is_said_with_where_to_look(bff: Shell, project: Callable[..., Path]) -> None:
    """Every command that needs a gateway says so at once."""
    project(ROUTES, hello=ONE)
    for args in (
        ("versions", "hello"),
        ("rollback", "hello"),
        ("token", "list"),
        ("release", "hello", "--watch"),
    ):
        ran = bff(*args)
        assert ran.code == 1
        assert "no gateway answers at" in ran.err
        assert "BFF_ADMIN" in ran.err


def test_tokens_are_looked_for_where_they_are(operator: Operator, tmp_path: Path) -> None:
    """In the state folder, or in the environment; nowhere else, and a reader cannot write."""
    elsewhere = operator("rollback", "hello", "--config", str(tmp_path / "elsewhere/routes.yaml"))
    assert elsewhere.code == 1
    assert "BFF_ADMIN_TOKEN" in elsewhere.err
    file = operator.folder / ".bff/admin-token"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    reader = operator("token", "create", "dashboard").out.strip()
    refused = operator("promote", "hello", BFF_ADMIN_TOKEN=reader)
    assert (refused.code, "scope write" in refused.err) == (1, True)
    writer = operator("token", "create", "ci", "--scope", "write").out.strip()
    file.unlink()
    assert operator("promote", "hello").code == 1
    assert operator("promote", "hello", BFF_ADMIN_TOKEN=writer).code == 0
    (_, listed) = operator("token", "list", "--json").json
    assert (listed["name"], listed["scopes"], listed["used"] is not None) == ("ci", ["write"], True)
    assert operator("token", "revoke", listed["id"], BFF_ADMIN_TOKEN=writer).code == 0
    assert operator("promote", "hello", BFF_ADMIN_TOKEN=writer).code == 1
    assert writer not in operator.running.output


def test_the_token_of_the_folder_goes_to_this_machine_only(bff: Shell, project: Callable[..., Path]) -> None:
    """Wherever BFF_ADMIN leads: what is not loopback is not handed the token."""
    from bff.cli.gateway import token_for

    folder = project(ROUTES, hello=ONE)
    (folder / ".bff").mkdir()
    token = f"bff_{'x' * 43}"
    (folder / ".bff/admin-token").write_text(token)
    config = folder / "routes.yaml"
    for url in ("127.0.0.1:8001", "http://127.0.0.1:8001", "http://localhost:1", "http://[::1]:1"):
        assert token_for(url, config) == token
    for url in (
        "http://10.0.0.1:8001",
        "gateway.internal:8001",
        "http://127.0.0.1.evil.example",
        "http://0.0.0.0",
    ):
        assert token_for(url, config) is None


def test_a_diff_shows_lines_and_what_the_handler_takes(operator: Operator) -> None:
    """As unified diffs, and in sentences about its parameters and its answer."""
    operator.deploy('async def handle(count: int = 1) -> str:\n    return "two"\n')
    ran = operator("diff", "hello", "hello-00001", "hello-00002")
    assert ran.code == 0
    assert '-    return "one"' in ran.out
    assert "handler: parameters.count is new" in ran.out
    assert (
        operator("diff", "hello", "hello-00001", "hello-00001").out
        == "hello-00001 and hello-00001 are the same\n"
    )


def test_two_deploys_at_once_are_two_revisions(operator: Operator) -> None:
    """Neither is lost, neither is half; the one that came last serves."""
    save(operator.folder / "other/routes.yaml", ROUTES) if (
        operator.folder / "other"
    ).mkdir() is None else None
    (operator.folder / "other/functions").mkdir()
    save(operator.folder / "other/functions/hello.py", ONE.replace("one", "three"))
    save(operator.folder / "functions/hello.py", TWO)
    token = (operator.folder / ".bff/admin-token").read_text().strip()
    ran: list[Ran] = []
    threads = [
        threading.Thread(
            target=lambda config=config: ran.append(
                operator("deploy", "hello", "--config", config, BFF_ADMIN_TOKEN=token)
            )
        )
        for config in (".", "other")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(each.out for each in ran) == ["hello-00002\n", "hello-00003\n"]
    latest = operator("versions", "hello", "--json").json[0]
    assert (latest["name"], latest["percent"]) == ("hello-00003", 100)
    assert operator.said() in ("two", "three")
    text = {each["name"]: each["digest"] for each in operator("versions", "hello", "--json").json}
    assert len(set(text.values())) == 3


def test_everything_is_kept_over_a_restart(
    operator: Operator, bff: Shell, gateway: Callable[..., Any]
) -> None:
    """Traffic, older revisions, tokens: what was rolled back stays so although the folder has the newer text."""
    operator.deploy(TWO)
    operator("rollback", "hello")
    token = operator("token", "create", "ci", "--scope", "write").out.strip()
    assert operator.running.stop() == 0
    again = gateway(operator.folder)
    assert again.get("/hello").text == "one"
    environ = {"BFF_ADMIN": again.admin, "BFF_ADMIN_TOKEN": token}
    assert [each["name"] for each in bff("versions", "hello", "--json", **environ).json] == [
        *("hello-00002", "hello-00001"),
    ]
    assert bff("promote", "hello", **environ).code == 0
    assert again.get("/hello").text == "two"


def test_in_dev_saves_can_be_compared_and_taken_back(
    bff: Shell, project: Callable[..., Path], gateway: Callable[..., Any]
) -> None:
    """Nothing of it is written to the disk but the token."""
    folder = project(ROUTES, hello=ONE)
    running = gateway(folder, "dev")
    assert running.get("/hello").text == "one"
    save(folder / "functions/hello.py", TWO)
    eventually(lambda: running.get("/hello").text == "two")
    environ = {"BFF_ADMIN": running.admin}
    names = [each["name"] for each in bff("versions", "hello", "--json", **environ).json]
    assert names == ["hello-dev-2", "hello-dev-1"]
    assert '+    return "two"' in bff("diff", "hello", "hello-dev-1", "hello-dev-2", **environ).out
    assert bff("rollback", "hello", **environ).code == 0
    assert running.get("/hello").text == "one"
    assert not (folder / ".bff/state.db").exists()
