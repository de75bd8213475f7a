"""Projects of many small functions, written to a folder of their own for one measurement."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

HELLO = '''"""The smallest function: what the gateway itself costs."""


async def handle(name: str = "world") -> dict[str, str]:
    return {"hello": name}
'''

PAGE = '''"""Three models, and a client that `start` makes."""

import httpx
from pydantic import BaseModel


class User(BaseModel):
    name: str
    mail: str | None = None


class Design(BaseModel):
    id: int
    title: str
    owner: User


class Home(BaseModel):
    user: User
    designs: list[Design]


class Page:
    async def start(self) -> None:
        self.client = httpx.AsyncClient()

    async def stop(self) -> None:
        await self.client.aclose()

    async def handle(self) -> Home:
        ada = User(name="Ada")
        return Home(user=ada, designs=[Design(id=1, title="A chair", owner=ada)])


def new() -> Page:
    return Page()
'''

# Without the recorder, too: it fills the bytes that it may with whatever is called, whoever is measured.
QUIET = "telemetry: {access_log: false, metrics: false, recorder: false, log_level: error}\n"


def names(count: int, prefix: str = "f") -> list[str]:
    return [f"{prefix}{number:05d}" for number in range(count)]


@contextmanager
def project(functions: Mapping[str, str], settings: str = "", *, quiet: bool = True) -> Iterator[Path]:
    """The routes.yaml of these functions by name, each on the path of its name."""
    with tempfile.TemporaryDirectory(prefix="bff-bench-") as folder:
        yield lay_out(Path(folder), functions, settings, quiet=quiet)


def lay_out(folder: Path, functions: Mapping[str, str], settings: str = "", *, quiet: bool = True) -> Path:
    (folder / "functions").mkdir()
    for name, source in functions.items():
        (folder / "functions" / f"{name}.py").write_text(source)
    config = folder / "routes.yaml"
    config.write_text((QUIET if quiet else "") + settings + routes(list(functions)))
    return config


def routes(of: Sequence[str]) -> str:
    each = "".join(f'  - {{path: "/{name}", methods: [GET], function: {name}}}\n' for name in of)
    return f"routes:\n{each}"
