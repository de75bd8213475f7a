"""The functions in a folder, found without importing any of them."""

from __future__ import annotations

import os
from pathlib import Path

from bff.config.mistake import ConfigInvalid, Mistake
from bff.config.names import is_function_name


def discover(folder: Path) -> dict[str, Path]:
    """Name and file of every function, sorted by name: ``NAME.py`` or ``NAME/__init__.py``.

    Names are lower-case Python identifiers. Everything else is not a function and left alone: what begins
    with ``_`` or ``.`` (shared code), ``__pycache__``, ``Home.py``, ``my-page.py``. A folder that is not
    there has no functions. Raises ConfigInvalid when a name has both forms or the folder cannot be read.
    """
    found, mistakes = survey(folder, str(folder))
    if mistakes:
        raise ConfigInvalid(mistakes)
    return found


def survey(folder: Path, shown: str) -> tuple[dict[str, Path], list[Mistake]]:
    """The functions and the mistakes of a folder; ``shown`` is how mistakes call the folder."""
    files: dict[str, Path] = {}
    packages: dict[str, Path] = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                _sort(entry, folder, files, packages)
    except FileNotFoundError:
        return {}, []
    except NotADirectoryError:
        return {}, [Mistake(file=shown, message="is a file; functions live in a folder")]
    except OSError as error:
        return {}, [Mistake(file=shown, message=f"the folder cannot be read: {error.strerror}")]
    twice = sorted(files.keys() & packages.keys())
    return dict(sorted((files | packages).items())), [_twice(shown, name) for name in twice]


def _sort(entry: os.DirEntry[str], folder: Path, files: dict[str, Path], packages: dict[str, Path]) -> None:
    name = entry.name.removesuffix(".py")
    if not is_function_name(name):
        return
    if name != entry.name:
        if entry.is_file():
            files[name] = folder / entry.name
    elif os.path.isfile(init := os.path.join(entry.path, "__init__.py")):
        packages[name] = Path(init)


def _twice(shown: str, name: str) -> Mistake:
    message = f"there are both {name}.py and {name}/__init__.py; remove or rename one of them"
    return Mistake(file=f"{shown}/{name}.py", message=message)
