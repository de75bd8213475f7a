"""Which services a source names: ``ctx.services.users`` and ``ctx.services["users"]``, nothing cleverer.

Pure. A name that is computed, or a ``ctx`` under another name without its type, is not seen.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

_CONTEXTS = frozenset({"ctx", "context"})
_TYPES = frozenset({"Context", "SyncContext"})


class Mention(NamedTuple):
    """A service's name and where it stands; line and column count from 1."""

    service: str
    line: int
    column: int


def services_in(tree: ast.Module) -> Iterator[Mention]:
    """Every service that the module names literally."""
    contexts = _CONTEXTS | {argument for node in ast.walk(tree) for argument in _typed_as_context(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and _is_services(node.value, contexts):
            if not node.attr.startswith("_"):
                column = (node.end_col_offset or 0) - len(node.attr) + 1
                yield Mention(node.attr, node.end_lineno or node.lineno, column)
        elif isinstance(node, ast.Subscript) and _is_services(node.value, contexts):
            key = node.slice
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                yield Mention(key.value, key.lineno, key.col_offset + 1)


def _typed_as_context(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.arg) and node.annotation is not None and _last(node.annotation) in _TYPES:
        yield node.arg


def _is_services(node: ast.expr, contexts: frozenset[str]) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "services" and _last(node.value) in contexts


def _last(node: ast.expr) -> str:
    """``ctx`` of ``ctx`` and of ``self.ctx``."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
