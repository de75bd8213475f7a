"""The tables in which Python and pydantic remember modules and classes, and how a dropped package leaves them.

Each holds on to a class, and through any of its methods to the whole module: one left out is a leak for
every save and every eviction. Other threads import and log meanwhile, so each table is copied in one step
before it is walked.
"""

from __future__ import annotations

import linecache
import logging
import sys
import typing
from collections.abc import Iterable
from types import ModuleType
from typing import Any


def erase(package: str, filenames: Iterable[str]) -> None:
    """Forget the modules of a package, and what was kept about them and their files."""
    _modules(package)
    for filename in filenames:
        linecache.cache.pop(filename, None)
    _loggers(package)
    # typing remembers every Optional[Model] it was asked for.
    for clear in typing._cleanups:  # type: ignore[attr-defined]  # noqa: SLF001 - what CPython's own tests use
        clear()
    _generics(package)


def _is_of(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def _of(package: str, names: list[str]) -> list[str]:
    # The first test turns nearly all of a thousand modules away without a call.
    return [name for name in names if name.startswith(package) and _is_of(name, package)]


def _modules(package: str) -> None:
    for name in _of(package, list(sys.modules)):
        module = sys.modules.pop(name, None)
        if isinstance(module, ModuleType):  # a body may have put anything in its own place
            vars(module).pop("__loader__", None)


def _loggers(package: str) -> None:
    """The package's own placeholder too: it remembers every logger below it."""
    loggers = logging.Logger.manager.loggerDict
    for name in _of(package, list(loggers)):
        loggers.pop(name, None)


def _generics(package: str) -> None:
    """Pydantic's cache of ``Box[Thing]`` is weak in its values only. The key holds ``Thing``, a method of
    which holds the module, which holds ``Box[Thing]``: no collection ever frees the three.
    """
    generics = sys.modules.get("pydantic._internal._generics")
    cache: Any = getattr(generics, "_GENERIC_TYPES_CACHE", None)
    if cache is not None:
        for key in [each for each in list(cache.data) if _mentions(each, package)]:
            cache.pop(key, None)


def _mentions(part: Any, package: str) -> bool:
    """Whether a class of the package stands somewhere in a type, or in a tuple of types."""
    if isinstance(part, tuple | list):
        return any(_mentions(each, package) for each in part)
    if _is_of(str(getattr(part, "__module__", "")), package):
        return True
    return any(_mentions(each, package) for each in typing.get_args(part))
