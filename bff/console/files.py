"""The console's scripts and styles, and those of others; under a path that changes with any of them."""

from __future__ import annotations

import hashlib
from functools import cached_property
from importlib.resources import files

from bff import vendor
from bff.admin.operation import Asked, Operation, Reply
from bff.errors import NotFound

PATH = "/console/static"
KINDS = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
VENDORED = {
    "htmx.esm.min.js": "htmx",
    "uPlot.iife.min.js": "uplot",
    "uPlot.min.css": "uplot",
}
_FOREVER = ((b"cache-control", b"private, max-age=31536000, immutable"),)


class Files:
    """Read once, when the first page is asked for. Immutable but for that."""

    @cached_property
    def contents(self) -> dict[str, bytes]:
        """Every file's bytes by name."""
        own = files("bff.console").joinpath("static")
        found = {each.name: each.read_bytes() for each in own.iterdir() if _kind(each.name)}
        return found | {name: vendor.content(package, name) for name, package in VENDORED.items()}

    @cached_property
    def version(self) -> str:
        """A name for all of them together."""
        whole = hashlib.sha256()
        for name, content in sorted(self.contents.items()):
            whole.update(name.encode() + b"\0" + content)
        return whole.hexdigest()[:12]

    @property
    def base(self) -> str:
        """Where pages find them."""
        return f"{PATH}/{self.version}"

    def operation(self) -> Operation:
        """Open to everybody: there is nothing of the gateway in them."""
        return Operation(
            name="console.file",
            method="GET",
            path=f"{PATH}/{{version}}/{{file}}",
            says="A file of the console's.",
            run=self._file,
            scope=None,
            kind="",
        )

    async def _file(self, asked: Asked) -> Reply:
        name = asked.params["file"]
        content = self.contents.get(name)
        if content is None:
            raise NotFound("The console has no such file.")
        # A page that was open over an upgrade asks under the old version: it gets what is there, for once.
        fields = _FOREVER if asked.params["version"] == self.version else ()
        return Reply(kind=_kind(name), body=content, fields=fields)


def _kind(name: str) -> str:
    return KINDS.get(name.rpartition(".")[2], "")
