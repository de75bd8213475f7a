"""``bff init`` and ``bff new``: what they write works at once, and nothing is ever overwritten."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ruamel.yaml import YAML

if TYPE_CHECKING:
    from tests.cli.conftest import Shell

WRITTEN = {
    "routes.yaml",
    "functions/hello.py",
    "tests/test_hello.py",
    ".gitignore",
    ".bff/routes.schema.json",
}


def files_in(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def pytest_in(folder: Path) -> subprocess.CompletedProcess[str]:
    """Plain pytest, warnings as errors; the plugins of this repository's own suite stay out of it."""
    foreign = ("cacheprovider", "xdist", "hypothesispytest", "timeout")
    without = [option for name in foreign for option in ("-p", f"no:{name}")]
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", *without],
        cwd=folder,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def fits(schema: dict[str, Any], value: Any, root: dict[str, Any]) -> bool:
    """Enough of JSON Schema to hold a routes.yaml against its own."""
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].removeprefix("#/$defs/")] | schema
    if "anyOf" in schema and not any(fits(part, value, root) for part in schema["anyOf"]):
        return False
    kinds = {
        "object": dict,
        "array": list,
        "string": str,
        "integer": int,
        "boolean": bool,
        "null": type(None),
    }
    if "type" in schema and not isinstance(value, kinds[schema["type"]]):
        return False
    if isinstance(value, str):
        return re.search(schema.get("pattern", ""), value) is not None
    if isinstance(value, list):
        return all(fits(schema.get("items", {}), item, root) for item in value)
    if isinstance(value, dict):
        return set(schema.get("required", ())) <= set(value) and all(
            _member_fits(schema, name, item, root) for name, item in value.items()
        )
    return True


def _member_fits(schema: dict[str, Any], name: str, value: Any, root: dict[str, Any]) -> bool:
    known = schema.get("properties", {})
    rest = schema.get("additionalProperties", {})
    if name in known:
        return fits(known[name], value, root)
    return rest is not False and fits(rest if isinstance(rest, dict) else {}, value, root)


def test_init_writes_a_project_that_passes_its_check_and_its_test(bff: Shell, tmp_path: Path) -> None:
    """In an empty folder: five files, a clean check, a test that passes under plain pytest."""
    ran = bff("init")
    assert ran.code == 0
    assert files_in(tmp_path) == WRITTEN
    assert all(f"wrote {name}\n" in ran.out for name in WRITTEN)
    assert "next: bff dev" in ran.err
    assert bff("check").code == 0
    done = pytest_in(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


def test_editors_find_the_schema(bff: Shell, tmp_path: Path) -> None:
    """The first line names a schema that is there, is what ``bff schema`` prints, and fits the file."""
    bff("init")
    text = (tmp_path / "routes.yaml").read_text()
    assert text.startswith("# yaml-language-server: $schema=.bff/routes.schema.json\n")
    schema = json.loads((tmp_path / ".bff/routes.schema.json").read_text())
    assert schema == bff("schema").json
    value = YAML(typ="safe").load(text)
    assert fits(schema, value, schema)
    assert not fits(schema, {**value, "rotues": []}, schema)
    assert not fits(schema, {"routes": [{"path": "/a"}]}, schema)


def test_the_schema_is_one(bff: Shell) -> None:
    """Draft 2020-12, and every reference within it leads somewhere."""
    schema = bff("schema").json
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    for name in re.findall(r'"#/\$defs/(\w+)"', json.dumps(schema)):
        assert name in schema["$defs"]


def test_init_in_a_folder_that_is_not_there_yet(bff: Shell, tmp_path: Path) -> None:
    """It is made, and the way into it is the first next step."""
    told = bff("init", "shop/pages", "--json").json
    assert told["ok"] is True
    assert told["next"][0] == "cd shop/pages"
    assert files_in(tmp_path / "shop/pages") == WRITTEN


@pytest.mark.parametrize("taken", ["routes.yaml", "functions/hello.py", "tests/test_hello.py"])
def test_init_overwrites_nothing(bff: Shell, tmp_path: Path, taken: str) -> None:
    """A file that exists is named, stays as it is, and nothing else is written beside it."""
    (tmp_path / taken).parent.mkdir(exist_ok=True)
    (tmp_path / taken).write_text("mine")
    ran = bff("init")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == f"{taken} exists already; nothing was written\n"
    assert files_in(tmp_path) == {taken}
    assert (tmp_path / taken).read_text() == "mine"
    assert bff("init", "--json").json == {"ok": False, "error": ran.err.strip()}


def test_init_leaves_a_gitignore_alone(bff: Shell, tmp_path: Path) -> None:
    """A repository has one already; what to add to it is said."""
    (tmp_path / ".gitignore").write_text("*.pyc\n")
    ran = bff("init")
    assert ran.code == 0
    assert (tmp_path / ".gitignore").read_text() == "*.pyc\n"
    assert "add .bff/ to your .gitignore" in ran.err


def test_init_where_nothing_can_be_written(bff: Shell, tmp_path: Path) -> None:
    """One sentence, whatever is in the way."""
    (tmp_path / "file").write_text("")
    assert bff("init", "file").err == "file is a file; name a folder\n"
    assert "cannot be written" in bff("init", "file/below").err
    assert "cannot be written" in bff("init", "x" * 300).err


def test_new_adds_a_function_a_route_and_a_test(bff: Shell, tmp_path: Path) -> None:
    """All three fit together: the check is clean, the function answers, its test passes."""
    bff("init")
    before = (tmp_path / "routes.yaml").read_text()
    ran = bff("new", "home_page")
    assert ran.code == 0
    assert ran.out.splitlines() == [
        "wrote functions/home_page.py",
        "wrote tests/test_home_page.py",
        "routed /api/home_page",
    ]
    added = '  - {path: "/api/home_page", function: home_page}\n'
    assert (tmp_path / "routes.yaml").read_text() == before + added
    assert bff("check").code == 0
    assert bff("invoke", "home_page", "--path", "/api/home_page?name=Ann").json == {"hello": "Ann"}
    done = pytest_in(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in done.stdout


def test_new_where_the_route_cannot_be_added_safely(bff: Shell, project: Callable[..., Path]) -> None:
    """The files are written, routes.yaml is not touched, and the line to add is printed."""
    folder = project("routes: [{path: /a, function: a}]\n", a="async def handle(): ...\n")
    ran = bff("new", "home")
    assert ran.code == 0
    assert '- {path: "/api/home", function: home}' in ran.err
    assert (folder / "routes.yaml").read_text() == "routes: [{path: /a, function: a}]\n"
    assert files_in(folder) == {"routes.yaml", "functions/a.py", "functions/home.py", "tests/test_home.py"}


def test_new_keeps_comments_and_rights(bff: Shell, project: Callable[..., Path]) -> None:
    """The file is the same file but for one line: its comments, its mode, the link it may be."""
    folder = project(
        "# ours\nroutes:\n  - {path: /a, function: a} # first\n# end\n", a="async def handle(): ...\n"
    )
    real = folder / "real.yaml"
    (folder / "routes.yaml").rename(real)
    (folder / "routes.yaml").symlink_to(real)
    real.chmod(0o640)
    assert bff("new", "home").code == 0
    assert (folder / "routes.yaml").is_symlink()
    assert real.stat().st_mode & 0o777 == 0o640
    assert real.read_text().splitlines() == [
        "# ours",
        "routes:",
        "  - {path: /a, function: a} # first",
        '  - {path: "/api/home", function: home}',
        "# end",
    ]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("Home", "home"),
        ("my-page", "my_page"),
        ("home.py", "home"),
        ("class", ""),
        ("_shared", ""),
        ("../x", ""),
    ],
)
def test_new_refuses_what_is_no_name(bff: Shell, tmp_path: Path, name: str, meant: str) -> None:
    """A function's name is a module's; the one that was probably meant is offered."""
    bff("init")
    ran = bff("new", "--", name)
    assert ran.code == 1
    assert f"such as {meant}" in ran.err if meant else "such as" not in ran.err
    assert files_in(tmp_path) == WRITTEN


def test_new_refuses_what_exists(bff: Shell, tmp_path: Path) -> None:
    """A function, a test or a route of that name: nothing is written."""
    bff("init")
    assert "functions/hello.py, tests/test_hello.py exist already" in bff("new", "hello").err
    with (tmp_path / "routes.yaml").open("a") as routes:
        routes.write('  - {path: "/api/home", function: hello}\n')
    assert bff("new", "home").err == "GET /api/home leads to function hello already; nothing was written\n"
    (tmp_path / "tests/test_about.py").write_text("")
    assert bff("new", "about").err == "tests/test_about.py exists already; nothing was written\n"
    assert files_in(tmp_path) == WRITTEN | {"tests/test_about.py"}


def test_new_needs_a_project(bff: Shell, tmp_path: Path) -> None:
    """Without a routes.yaml, or with a broken one, it says so and writes nothing."""
    assert "`bff init` writes one" in bff("new", "home").err
    (tmp_path / "routes.yaml").write_text("routes: {\n")
    assert bff("new", "home").err.startswith("routes.yaml:")
    assert files_in(tmp_path) == {"routes.yaml"}
