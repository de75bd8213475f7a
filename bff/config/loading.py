"""routes.yaml -> Config, or every reason why not.

The order: bytes, tree, values, models, whole-file checks. Each step goes on with what the one before could
read, so that one run shows all mistakes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from bff.config import tree
from bff.config.checks import Checks, SeenRoute, seen_route, seen_routes
from bff.config.config import Config
from bff.config.discovery import survey
from bff.config.document import parse
from bff.config.mistake import ConfigInvalid, KeyPath, Mistake
from bff.config.references import References
from bff.config.section import HIDDEN, Section
from bff.config.speech import spoken
from bff.config.units import FROM_FILE
from bff.config.values import Values


def load(path: Path, *, environ: Mapping[str, str] | None = None) -> Config:
    """The configuration in the file, with references followed and functions discovered.

    ``environ`` is what ``${NAME}`` reads, the process's environment unless given. Raises ConfigInvalid with
    all mistakes of the file at once, in the order of their places.
    """
    path = Path(path)
    root, mistakes = parse(_content(path), str(path))
    if not isinstance(root, tree.Mapping):
        raise ConfigInvalid([*mistakes, _not_sections(root, str(path))])
    references = References(environ=os.environ if environ is None else environ, folder=path.parent)
    values = Values(file=str(path), references=references).read(root)
    config, more = _checked(path, root, values)
    mistakes += values.mistakes + more
    if mistakes or config is None:
        raise ConfigInvalid(sorted(mistakes, key=lambda m: (m.file != str(path), m.line, m.column)))
    return config


def _content(path: Path) -> bytes:
    try:
        # A pipe would never end, and reading a device could take all memory.
        if path.exists() and not path.is_file():
            what = "a folder" if path.is_dir() else "not a regular file"
            raise _unreadable(path, f"this is {what}; name the routes.yaml itself")
        return path.read_bytes()
    except FileNotFoundError:
        raise _unreadable(path, "there is no such file; `bff init` writes one") from None
    except OSError as error:
        raise _unreadable(path, f"the file cannot be read: {error.strerror}") from None


def _unreadable(path: Path, why: str) -> ConfigInvalid:
    return ConfigInvalid([Mistake(file=str(path), message=why)])


def _not_sections(root: tree.Node, file: str) -> Mistake:
    message = "the file is a mapping of sections: services, functions, routes and so on"
    return Mistake(file=file, line=root.line, column=root.column, message=message)


def _checked(path: Path, root: tree.Mapping, values: Values) -> tuple[Config | None, list[Mistake]]:
    folder, found, mistakes = _functions(path, root, values)
    config, errors = _validated(values.data | folder)
    mistakes += spoken(errors, root, str(path), values.broken)
    checks = Checks(root=root, file=str(path), shown_folder=_shown_folder(values), found=found)
    mistakes += checks.everything(_routes(config, errors, values), values.data)
    if config is None:
        return None, mistakes
    for hidden in values.hidden:
        _hide(config, hidden)
    return config.read_from(path, found or {}, values.secrets), mistakes


def _functions(
    path: Path, root: tree.Mapping, values: Values
) -> tuple[dict[str, str], dict[str, Path] | None, list[Mistake]]:
    """The folder as data for the model, the functions in it (None: no telling), the mistakes."""
    given = values.data.get("folder", "functions")
    if ("folder",) in values.broken or not isinstance(given, str) or "\0" in given:
        return {}, None, []
    folder, shown = path.parent / given, _shown_folder(values)
    if "folder" in root.entries and not folder.exists():
        line, column = tree.find(root, ("folder",)).at_value
        message = f"there is no folder {shown}"
        return {}, None, [Mistake(file=str(path), line=line, column=column, key="folder", message=message)]
    found, mistakes = survey(folder, str(path.parent / shown))
    return {"folder": str(folder)}, found, mistakes


def _shown_folder(values: Values) -> str:
    return HIDDEN if ("folder",) in values.hidden else str(values.data.get("folder", "functions"))


def _validated(data: dict[str, Any]) -> tuple[Config | None, list[ErrorDetails]]:
    try:
        return Config.model_validate(data, context=FROM_FILE), []
    except ValidationError as error:
        return None, error.errors(include_url=False)


def _routes(config: Config | None, errors: list[ErrorDetails], values: Values) -> list[SeenRoute]:
    """All routes of a valid file, else what is usable of each."""
    if config is not None and not values.broken:
        return [seen_route(at, route) for at, route in enumerate(config.routes)]
    wrong: dict[int, set[str]] = {}
    for path in [error["loc"] for error in errors] + list(values.broken):
        if len(path) > 2 and path[0] == "routes":
            wrong.setdefault(int(path[1]), set()).add(str(path[2]))
    return seen_routes(values.data.get("routes"), wrong)


def _hide(config: Config, path: KeyPath) -> None:
    """Hides the field that holds the value at ``path``, in the innermost section around it."""
    value: Any = config
    for part in path:
        if not isinstance(value, Section):
            value = value[part]
        elif part in type(value).model_fields:
            owner, field = value, str(part)
            value = getattr(owner, field)
        else:  # $schema, which nobody reads
            return
        if not isinstance(value, Section | Mapping | tuple):
            break  # a single value, or a list of one written without brackets
    owner.hide(field)
