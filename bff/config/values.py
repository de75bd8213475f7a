"""The tree as plain values for pydantic: scalars typed, references followed, and where each of them stood."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from bff.config.mistake import KeyPath, Mistake, dotted
from bff.config.names import is_secret_name
from bff.config.references import ReferenceBroken, References
from bff.config.scalars import typed
from bff.config.tree import Mapping, Node, Scalar, Sequence

# Below these keys every value is text: a token of digits must not turn into a number and lose its zeros.
_TEXTS = frozenset({("services", "headers"), ("functions", "env"), ("services", "discovery", "options")})


@dataclass(slots=True, kw_only=True)
class Values:
    """Filled by one pass over the tree: ``data``, ``hidden`` and ``broken`` key paths, ``mistakes``, and ``secrets``,
    what references led to where credentials stand.
    """

    file: str
    references: References
    data: dict[str, Any] = field(default_factory=dict)
    hidden: list[KeyPath] = field(default_factory=list)
    broken: set[KeyPath] = field(default_factory=set)
    mistakes: list[Mistake] = field(default_factory=list)
    secrets: set[str] = field(default_factory=set)

    def read(self, root: Mapping) -> Values:
        """These values, filled from the tree."""
        self.data = {name: self._value(entry.node, (name,)) for name, entry in root.entries.items()}
        return self

    def _value(self, node: Node, path: KeyPath, *, is_text: bool = False) -> Any:
        if isinstance(node, Scalar):
            return self._scalar(node, path, is_text=is_text)
        if isinstance(node, Sequence):
            return [self._value(item, (*path, at)) for at, item in enumerate(node.items)]
        below = len(path) > 2 and (path[0], *path[2:]) in _TEXTS
        is_token = len(path) == 3 and path[:2] == ("admin", "tokens")
        return {
            name: self._value(e.node, (*path, name), is_text=below or (is_token and name == "token"))
            for name, e in node.entries.items()
        }

    def _scalar(self, node: Scalar, path: KeyPath, *, is_text: bool) -> Any:
        if node.broken:
            self.broken.add(path)
            return node.text
        text, has_reference = node.text, not node.is_shown
        if has_reference:
            if not is_text:  # those are SecretStr already
                self.hidden.append(path)
            text = self._expanded(node, path)
            if is_text or "${file:" in node.text or "@" in text or is_secret_name(str(path[-1])):
                self.secrets.update(self.references.followed)
        if not node.plain:
            return text
        value = typed(text)
        # An empty value below env or headers is still no value; one that a reference emptied is empty text.
        return text if is_text and (value is not None or has_reference) else value

    def _expanded(self, node: Scalar, path: KeyPath) -> str:
        try:
            return self.references.expand(node.text)
        except ReferenceBroken as error:
            self.broken.add(path)
            for message in error.messages:
                place = {"line": node.line, "column": node.column}
                self.mistakes.append(Mistake(file=self.file, key=dotted(path), message=message, **place))
            return node.text
