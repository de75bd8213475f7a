"""``bff export``: what front-end teams and other tools take away."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

from pydantic_core import to_json

from bff.cli.output import config_at, fail, say
from bff.clock import SystemClock
from bff.config import Config
from bff.errors import FunctionNotLoaded
from bff.export import asyncapi
from bff.export.describing import Describer, Found, Subject
from bff.export.documents import about, made, parameters_by_function
from bff.gateway import problems
from bff.revisions import snapshot

TOOL = "openapi-typescript"
"""The npm package that writes the types (https://openapi-ts.dev)."""
MINUTE = 60.0


def export_openapi(path: Path, *, out: Path | None) -> None:
    """Write the OpenAPI document of the functions in the folder."""
    _write(_openapi(config_at(path, as_json=False)), out)


def export_typescript(path: Path, *, out: Path | None) -> None:
    """Write the TypeScript types of the document, made by openapi-typescript."""
    command = _tool()
    if command is None:
        fail(
            f"{TOOL} is not here: bff export typescript needs Node.js and `npm install --save-dev {TOOL}`;"
            " or make the types elsewhere from `bff export openapi`",
            as_json=False,
        )
    with tempfile.TemporaryDirectory(prefix="bff-export-") as folder:
        document, types = Path(folder, "openapi.json"), Path(folder, "api.d.ts")
        document.write_bytes(_openapi(config_at(path, as_json=False)))
        ran = subprocess.run(  # noqa: S603 - a tool found on this machine, no shell
            [*command, str(document), "--output", str(types)],
            capture_output=True,
            text=True,
            timeout=MINUTE,
            check=False,
        )
        if ran.returncode != 0 or not types.exists():
            fail(f"{TOOL} failed: {ran.stderr.strip() or ran.stdout.strip()}", as_json=False)
        _write(types.read_bytes(), out)


def _tool() -> list[str] | None:
    """The project's own copy first, as npx looks for it; nothing is ever downloaded here."""
    if shutil.which("node") is None:
        return None
    for folder in (Path.cwd(), *Path.cwd().parents):
        local = folder / "node_modules" / ".bin" / TOOL
        if local.exists():
            return [str(local)]
    anywhere = shutil.which(TOOL)
    return [anywhere] if anywhere else None


def export_asyncapi(path: Path, *, out: Path | None) -> None:
    """Write the AsyncAPI document of the events that triggers and pipelines want."""
    config = config_at(path, as_json=False)
    subjects = _subjects(config, dict.fromkeys(asyncapi.functions_of(config), frozenset({()})))
    said = {name: each for (name, _), each in asyncio.run(_described(subjects)).items()}
    _write(to_json(asyncapi.document(config, said, about(config.openapi)), indent=2) + b"\n", out)


def _subjects(config: Config, functions: Mapping[str, frozenset[tuple[str, ...]]]) -> list[Subject]:
    """Functions that are to be asked; whatever cannot be read is told."""
    subjects = []
    for name, routes in functions.items():
        try:
            subjects.append(Subject(snapshot=snapshot.take(config.folder.resolve(), name), routes=routes))
        except FunctionNotLoaded as failure:
            say(failure.report())
    return subjects


def _openapi(config: Config) -> bytes:
    subjects = _subjects(config, parameters_by_function(config.routes))
    found = asyncio.run(_described(subjects))
    for name, parameters in sorted(
        {(s.snapshot.function, r) for s in subjects for r in s.routes} - set(found)
    ):
        say(
            f"{name} is described by its path only ({', '.join(parameters) or 'no parameters'}): see `bff check`"
        )
    return to_json(made(config, found, problems.of_calls()), indent=2) + b"\n"


async def _described(subjects: Sequence[Subject]) -> Found:
    async def each() -> AsyncIterator[Subject]:
        for subject in subjects:
            yield subject

    return await Describer(clock=SystemClock()).describe(each(), count=len(subjects))


def _write(content: bytes, out: Path | None) -> None:
    if out is None:
        sys.stdout.buffer.write(content)
        sys.stdout.flush()
        return
    out.write_bytes(content)
    say(f"wrote {out}")
