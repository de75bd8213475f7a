"""Which local files a function's source needs, told from its import statements alone.

Pure: a source goes in, the local modules it names come out, and the syntax tree to compile, in which
absolute imports of local files have been made relative. Only imports written as statements are seen;
that is why a folder function is snapshotted whole.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass


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
    ``is_local`` whether an absolute import of that name means it, rather than an installed package.

    Raises:
        SyntaxError: it is not Python.
        ImportRefused: it imports a local file in a way that two revisions could not keep apart.

    """
    tree = ast.parse(source, filename=filename)
    package = module if is_package else module.rpartition(".")[0]
    found: dict[str, None] = {}
    for node in _imports(tree):
        if isinstance(node, ast.Import):
            _plain(node, package, folder, is_local)
        else:
            _rewrite_from(node, package, folder, is_local)
            for name in _named(node, package, exists):
                found[name] = None
    _Rewriter(package, folder, is_local, found).visit(tree)
    return Parsed(tree, tuple(found))


def _imports(tree: ast.Module) -> Iterator[ast.Import | ast.ImportFrom]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node


def _below_folder(name: str, folder: str) -> str:
    """``functions._shared`` and ``_shared`` are the same file."""
    head, _, rest = name.partition(".")
    return rest if head == folder and rest else name


def _plain(node: ast.Import, package: str, folder: str, is_local: IsLocal) -> None:
    """Refuse ``import home.parts`` of local files: it binds ``home``, which no relative form does."""
    for alias in node.names:
        local = _below_folder(alias.name, folder)
        if not is_local(local.partition(".")[0]):
            continue
        if "." in alias.name and alias.asname is None:
            parent, _, last = local.rpartition(".")
            raise ImportRefused(
                f"`import {alias.name}` names a local file by a dotted absolute name",
                node.lineno,
                f"write `from {_dots(package)}{parent} import {last}`",
            )


def _rewrite_from(node: ast.ImportFrom, package: str, folder: str, is_local: IsLocal) -> None:
    if node.level or node.module is None:
        return
    if node.module == folder and all(is_local(alias.name) for alias in node.names):
        node.module, node.level = None, _levels(package)
        return
    local = _below_folder(node.module, folder)
    if is_local(local.partition(".")[0]) and is_local(local):
        node.module, node.level = local, _levels(package)


def _named(node: ast.ImportFrom, package: str, exists: IsLocal) -> Iterator[str]:
    if not node.level:
        return
    parts = package.split(".") if package else []
    if node.level - 1 > len(parts):
        return  # beyond the top: Python itself says so, with the line, when the module runs
    base = ".".join(parts[: len(parts) - (node.level - 1)])
    target = ".".join(part for part in (base, node.module or "") if part)
    if target and exists(target):
        yield target
    for alias in node.names:
        name = f"{target}.{alias.name}" if target else alias.name
        if exists(name):
            yield name


def _levels(package: str) -> int:
    return 1 + (len(package.split(".")) if package else 0)


def _dots(package: str) -> str:
    return "." * _levels(package)


class _Rewriter(ast.NodeTransformer):
    """Turns ``import _shared`` and ``import _shared.money as m`` of local files into relative imports."""

    def __init__(self, package: str, folder: str, is_local: IsLocal, found: dict[str, None]) -> None:
        self._package = package
        self._folder = folder
        self._is_local = is_local
        self._found = found

    def visit_Import(self, node: ast.Import) -> ast.AST | list[ast.stmt]:
        kept: list[ast.alias] = []
        made: list[ast.stmt] = []
        for alias in node.names:
            local = _below_folder(alias.name, self._folder)
            if not self._is_local(local):
                kept.append(alias)
                continue
            parent, _, last = local.rpartition(".")
            self._found[local] = None
            made.append(
                ast.ImportFrom(
                    module=parent or None,
                    names=[ast.alias(name=last, asname=alias.asname)],
                    level=_levels(self._package),
                )
            )
        if not made:
            return node
        if kept:
            made.append(ast.Import(names=kept))
        return [ast.fix_missing_locations(ast.copy_location(statement, node)) for statement in made]
