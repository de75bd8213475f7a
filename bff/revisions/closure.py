"""Which local files a function's source needs, told from its import statements alone.

Pure: a source goes in, the local modules it names come out, and the syntax tree to compile, in which
absolute imports of local files have been made relative. Only imports written as statements are seen;
that is why a folder that is imported from is snapshotted whole.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bff.frozen import frozen


class ImportRefused(Exception):
    """An import that cannot work inside a revision. ``line`` is 1-based."""

    def __init__(self, why: str, line: int, remedy: str) -> None:
        super().__init__(why)
        self.line = line
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Parsed:
    """A module's tree, ready to compile, and the local modules it may import (dotted, below the folder)."""

    tree: ast.Module
    imports: tuple[str, ...]


IsLocal = Callable[[str], bool]
"""Whether a dotted name is a module of the functions folder."""


@frozen
class _Place:
    """Where a module stands, and with it what the imports in it mean."""

    package: str
    folder: str
    exists: IsLocal
    is_local: IsLocal

    @property
    def level(self) -> int:
        """How many dots lead from here to the functions folder."""
        return 1 + (len(self.package.split(".")) if self.package else 0)

    def local(self, name: str) -> str | None:
        """The local module an absolute import means, or None when it means an installed one.

        ``functions._shared`` and ``_shared`` are the same file. Whether the whole of it exists is not
        asked: a part that is missing is then told as missing from the folder, not as not installed.
        """
        head, _, rest = name.partition(".")
        if head == self.folder and rest and (self.exists(rest.partition(".")[0]) or self.is_local(head)):
            return rest
        return name if self.is_local(head) else None

    def is_folder(self, name: str) -> bool:
        """Whether an absolute import of this name means the functions folder itself."""
        return name == self.folder and not self.exists(name) and self.is_local(name)


def parse(
    source: bytes,
    *,
    filename: str,
    module: str,
    is_package: bool,
    folder: str,
    exists: IsLocal,
    is_local: IsLocal,
) -> Parsed:
    """Parse one module called ``module`` (dotted, below the functions folder named ``folder``).

    ``exists`` tells whether the folder has a module, which is what counts for relative imports;
    ``is_local`` whether an absolute import of that first name means it, or the folder itself, rather than
    an installed package.

    Raises:
        SyntaxError, ValueError, RecursionError, MemoryError, SystemError: it is not Python, or nests too
            deeply for it.
        ImportRefused: it imports a local file in a way that two revisions could not keep apart.

    """
    tree = ast.parse(source, filename=filename)
    place = _Place(
        package=module if is_package else module.rpartition(".")[0],
        folder=folder,
        exists=exists,
        is_local=is_local,
    )
    found: dict[str, None] = {}
    for body in _bodies(tree):
        body[:] = [made for statement in body for made in _rewritten(statement, place)]
        for statement in body:
            if isinstance(statement, ast.ImportFrom):
                found.update(dict.fromkeys(_named(statement, place)))
    return Parsed(tree, tuple(found))


def _bodies(tree: ast.Module) -> Iterator[list[ast.stmt]]:
    """Every list of statements. Not by recursion: a sum of a thousand terms nests deeper than Python may."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        for name in ("body", "orelse", "finalbody", "handlers", "cases"):
            inner = getattr(node, name, None)
            if not isinstance(inner, list):  # a lambda's body is an expression
                continue
            waiting.extend(inner)
            if name not in ("handlers", "cases"):
                yield inner


def _rewritten(statement: ast.stmt, place: _Place) -> list[ast.stmt]:
    """The statement itself, or what stands for it once absolute imports of local files are relative."""
    if isinstance(statement, ast.ImportFrom):
        _rewrite_from(statement, place)
    elif isinstance(statement, ast.Import):
        locals_ = [_local_or_refused(alias, statement, place) for alias in statement.names]
        if any(locals_):
            made = [_one(*each, place) for each in zip(statement.names, locals_, strict=True)]
            return [ast.fix_missing_locations(ast.copy_location(each, statement)) for each in made]
    return [statement]


def _one(alias: ast.alias, local: str | None, place: _Place) -> ast.stmt:
    """``import _shared.money as m`` becomes ``from ._shared import money as m``."""
    if local is None:
        return ast.Import(names=[alias])
    parent, _, last = local.rpartition(".")
    return ast.ImportFrom(
        module=parent or None, names=[ast.alias(name=last, asname=alias.asname)], level=place.level
    )


def _local_or_refused(alias: ast.alias, node: ast.Import, place: _Place) -> str | None:
    """Refuse ``import home.parts`` of local files: it binds ``home``, which no relative form does."""
    if place.is_folder(alias.name):
        raise ImportRefused(
            f"`import {alias.name}` names the functions folder itself",
            node.lineno,
            f"write `from {'.' * place.level} import NAME`",
        )
    local = place.local(alias.name)
    if local is not None and "." in alias.name and alias.asname is None:
        parent, _, last = local.rpartition(".")
        raise ImportRefused(
            f"`import {alias.name}` names a local file by a dotted absolute name",
            node.lineno,
            f"write `from {'.' * place.level}{parent} import {last}`",
        )
    return local


def _rewrite_from(node: ast.ImportFrom, place: _Place) -> None:
    if node.level or node.module is None:
        return
    named = any(place.exists(alias.name) for alias in node.names)
    if place.is_folder(node.module) or (node.module == place.folder and named):
        node.module, node.level = None, place.level
        return
    local = place.local(node.module)
    if local is not None:
        node.module, node.level = local, place.level


def _named(node: ast.ImportFrom, place: _Place) -> Iterator[str]:
    """The local modules of a relative import: what stands before ``import``, and after it."""
    if not node.level:
        return
    parts = place.package.split(".") if place.package else []
    if node.level - 1 > len(parts):
        return  # beyond the top: Python itself says so, with the line, when the module runs
    base = ".".join(parts[: len(parts) - (node.level - 1)])
    wanted = target = ".".join(part for part in (base, node.module or "") if part)
    while target and not place.exists(target):
        target = target.rpartition(".")[0]  # what is above a missing part is there all the same
    if target:
        yield target
    for alias in node.names if target == wanted else ():
        name = f"{target}.{alias.name}" if target else alias.name
        if place.exists(name):
            yield name
