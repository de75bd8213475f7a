"""References: ``${NAME}``, ``${NAME:-default}``, ``${file:/run/secrets/x}``; ``$${`` is a plain ``${``.

What comes out is a secret until proven otherwise: messages here name variables and files, never contents.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

MOST_BYTES = 2**20  # of one secret file

_REFERENCE = re.compile(r"\$\$\{|\$\{([^}]*)(\}?)")
_VARIABLE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?", re.DOTALL)


class ReferenceBroken(ValueError):
    """One or more references of a value lead nowhere; ``messages`` has a sentence for each."""

    def __init__(self, messages: list[str]) -> None:
        self.messages = messages
        super().__init__("; ".join(messages))


class References:
    """Follows references with one environment and one folder for relative files. Mutable state: ``followed``."""

    def __init__(self, *, environ: Mapping[str, str], folder: Path) -> None:
        self._environ = environ
        self._folder = folder
        self.followed: list[str] = []
        """What the references of the last text led to, outside of routes.yaml."""

    def expand(self, text: str) -> str:
        """The text with every reference replaced, once: what comes in is not searched again."""
        broken: list[str] = []
        self.followed = []

        def replaced(match: re.Match[str]) -> str:
            try:
                return "${" if match[0] == "$${" else self._follow(match[1], is_closed=bool(match[2]))
            except ReferenceBroken as error:
                broken.extend(error.messages)
                return ""

        expanded = _REFERENCE.sub(replaced, text)
        if broken:
            raise ReferenceBroken(broken)
        return expanded

    def _follow(self, body: str, *, is_closed: bool) -> str:
        if not is_closed:
            raise ReferenceBroken(["a reference ${ is not closed with }; a literal ${ is written $${"])
        if "${" in body:
            raise ReferenceBroken(["a reference cannot hold another one"])
        if body.startswith("file:"):
            self.followed.append(self._file(body.removeprefix("file:")))
            return self.followed[-1]
        match = _VARIABLE.fullmatch(body)
        if match is None:
            raise ReferenceBroken(["not a reference; write ${NAME}, ${NAME:-default} or ${file:/path}"])
        return self._variable(match[1], match[2])

    def _variable(self, name: str, default: str | None) -> str:
        value = self._environ.get(name)
        if value:
            self.followed.append(value)
            return value
        if default is not None:  # as in the shell: also when the variable is set, but empty
            return default
        if value is None:
            raise ReferenceBroken([f"the variable {name} is not set; set it, or write ${{{name}:-default}}"])
        return value

    def _file(self, name: str) -> str:
        path = self._folder / name
        try:
            # A pipe or a terminal would make start-up hang; sockets and folders are no secrets either.
            if not path.is_file():
                why = "is not a regular file" if path.exists() else "does not exist"
                raise ReferenceBroken([f"the secret file {name!r} {why}"])
            with path.open("rb") as file:
                content = file.read(MOST_BYTES + 1)
        except (OSError, ValueError) as error:
            if isinstance(error, ReferenceBroken):
                raise
            why = getattr(error, "strerror", None) or "its name is not valid"
            raise ReferenceBroken([f"the secret file {name!r} cannot be read: {why}"]) from None
        return self._text(name, content)

    @staticmethod
    def _text(name: str, content: bytes) -> str:
        if len(content) > MOST_BYTES:
            raise ReferenceBroken([f"the secret file {name!r} is larger than {MOST_BYTES >> 20} MiB"])
        try:
            text = content.decode()
        except UnicodeDecodeError:
            raise ReferenceBroken([f"the secret file {name!r} is not UTF-8 text"]) from None
        return text.removesuffix("\r\n" if text.endswith("\r\n") else "\n")
