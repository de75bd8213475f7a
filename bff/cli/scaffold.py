"""``bff init`` and ``bff new``: files that work at once. Nothing that exists is ever overwritten."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from bff.cli import templates
from bff.cli.output import config_at, config_file, fail, say, show, shown_path
from bff.cli.routesfile import line_for, with_route
from bff.config import Config, ConfigInvalid, json_schema, load
from bff.config.names import is_function_name


def init(folder: Path, *, as_json: bool) -> None:
    """Write a project of one function and its test."""
    if os.path.exists(folder) and not os.path.isdir(folder):
        fail(f"{folder} is a file; name a folder", as_json=as_json)
    schema = folder / ".bff/routes.schema.json"
    ignored = folder / ".gitignore"
    files = {
        folder / "routes.yaml": templates.ROUTES,
        folder / "functions/hello.py": templates.function("hello"),
        folder / "tests/test_hello.py": templates.test("hello"),
    }
    _refuse_existing([*files], as_json=as_json)
    has_ignored = os.path.lexists(ignored)
    if not has_ignored:
        files[ignored] = templates.GITIGNORE
    _write(files, as_json=as_json)
    _write({schema: json.dumps(json_schema(), indent=2) + "\n"}, mode="w", as_json=as_json)
    steps = ["bff dev", "pytest"] if folder.resolve() == Path.cwd() else [f"cd {folder}", "bff dev", "pytest"]
    if has_ignored and ".bff/" not in ignored.read_text("utf-8", "replace").split():
        steps.insert(0, "add .bff/ to your .gitignore")
    _tell({"created": [shown_path(path) for path in (*files, schema)], "next": steps}, as_json=as_json)


def new(name: str, path: Path, *, as_json: bool) -> None:
    """Write a function and its test, and give it a route."""
    if not is_function_name(name):
        better = name.lower().removesuffix(".py").replace("-", "_")
        meant = f", such as {better}" if is_function_name(better) else ""
        fail(f"{name!r} is not a function's name: lower-case letters, digits and _{meant}", as_json=as_json)
    config = config_at(path, as_json=as_json)
    path = config_file(path)
    route = f"/api/{name}"
    files = {
        config.folder / f"{name}.py": templates.function(name),
        path.parent / f"tests/test_{name}.py": templates.test(name),
    }
    _refuse_existing([*files, config.folder / name], as_json=as_json)
    _refuse_taken(config, route, as_json=as_json)
    _write(files, as_json=as_json)
    told: dict[str, Any] = {"created": [shown_path(file) for file in files], "route": route}
    told["routed"] = _add_route(path, route, name)
    if not told["routed"]:
        told["next"] = [f"add to routes in {shown_path(path)}: {line_for(route, name)}", "pytest"]
    else:
        told["next"] = [f"bff invoke {name} --path {route}", "pytest"]
    _tell(told, as_json=as_json)


def _refuse_existing(files: list[Path], *, as_json: bool) -> None:
    existing = [shown_path(file) for file in files if os.path.lexists(file)]
    if existing:
        verb = "exist" if len(existing) > 1 else "exists"
        fail(f"{', '.join(existing)} {verb} already; nothing was written", as_json=as_json)


def _refuse_taken(config: Config, route: str, *, as_json: bool) -> None:
    for each in config.routes:
        if each.path == route and "GET" in each.methods:
            fail(
                f"GET {route} leads to function {each.function} already; nothing was written", as_json=as_json
            )


def _write(files: Mapping[Path, str], *, mode: str = "x", as_json: bool) -> None:
    for file, text in files.items():
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open(mode, encoding="utf-8", newline="") as opened:
                opened.write(text)
        except OSError as error:
            fail(f"{shown_path(file)} cannot be written: {error.strerror or error}", as_json=as_json)


def _add_route(path: Path, route: str, name: str) -> bool:
    """Whether the route is in the file now. A draft is loaded first, so that the file is never broken."""
    path = path.resolve()  # a link stays a link
    try:
        with path.open(encoding="utf-8", newline="") as opened:
            text = with_route(opened.read(), route, name)
        if text is None:
            return False
        draft = path.with_name(f".{path.name}.draft")
        try:
            draft.write_bytes(text.encode())
            added = [(each.path, each.function) for each in load(draft).routes]
            if added.count((route, name)) != 1:
                return False
            draft.chmod(path.stat().st_mode & 0o777)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except (OSError, ConfigInvalid):
        return False
    return True


def _tell(told: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        show({"ok": True} | told)
        return
    for file in told["created"]:
        typer.echo(f"wrote {file}")
    if told.get("routed"):
        typer.echo(f"routed {told['route']}")
    say("next: " + "\n      ".join(told["next"]))
