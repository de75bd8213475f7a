"""The texts that ``bff init`` and ``bff new`` write."""

from __future__ import annotations

from string import Template
from typing import Final

ROUTES: Final = """\
# yaml-language-server: $schema=.bff/routes.schema.json

# The services your functions call, as ctx.services.users:
# services:
#   users: {url: "http://users.internal", timeout: 300ms}

routes:
  - {path: "/api/hello", function: hello}
"""

GITIGNORE: Final = ".bff/\n__pycache__/\n"

_FUNCTION: Final = Template('''\
"""$title: what the page needs, in one answer."""


async def handle(name: str = "world") -> dict[str, str]:
    return {"hello": name}
''')

_TEST: Final = Template("""\
from bff.testing import Client


def test_${name}_greets_who_asks(bff_client: Client) -> None:
    answer = bff_client.get("/api/$name", params={"name": "Ann"})
    assert answer.status_code == 200
    assert answer.json() == {"hello": "Ann"}


def test_${name}_greets_the_world_by_default(bff_client: Client) -> None:
    assert bff_client.get("/api/$name").json() == {"hello": "world"}
""")


def function(name: str) -> str:
    """A function that answers at once; its author replaces the two lines."""
    return _FUNCTION.substitute(title=name.replace("_", " ").capitalize())


def test(name: str) -> str:
    """A test of :func:`function` that passes under plain ``pytest``."""
    return _TEST.substitute(name=name)
