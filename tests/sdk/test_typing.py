"""The types that a type checker sees are the values that come."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

SNIPPET = """
from typing import Any

import httpx
from pydantic import BaseModel
from typing_extensions import assert_type

from bff import Call, Context, SyncContext, fallback, gather, optional


class User(BaseModel):
    name: str


class Notice(BaseModel):
    text: str


async def handle(ctx: Context) -> None:
    users, notices = ctx.services.users, ctx.services["notices"]
    assert_type(users.get("/"), Call[httpx.Response])
    assert_type(await users.get("/"), httpx.Response)
    assert_type(await users.get("/", into=User, timeout=0.2, params={"a": 1}), User)
    assert_type(await users.post("/", json={}, into=list[User]), list[User])
    assert_type(await users.get("/", errors={404: None}), httpx.Response | None)
    assert_type(await users.get("/", into=User, errors={404: None}), User | None)
    assert_type(await users.get("/", check=False), httpx.Response)
    assert_type(
        await gather(users.get("/", into=User), optional(notices.get("/", into=list[Notice]), default=None)),
        tuple[User, list[Notice] | None],
    )
    assert_type(await optional(users.get("/", into=User)), User | None)
    assert_type(await optional(users.get("/", into=User), default=0), User | int)
    three = await gather(users.get("/", into=User), users.get("/"), asyncio_part())
    assert_type(three, tuple[User, httpx.Response, int])
    assert_type(
        await gather(*[users.get(f"/{n}", into=User) for n in range(3)]),
        tuple[User, ...],
    )
    assert_type(await fallback(users.get("/", into=User), None), User | None)
    assert_type(await fallback(users.get("/", into=User), notices.get("/", into=User)), User)


async def asyncio_part() -> int:
    return 1


def blocking(ctx: SyncContext) -> None:
    users = ctx.services.users
    assert_type(users.get("/"), httpx.Response)
    assert_type(users.get("/", into=User), User)
    assert_type(users.get("/", into=list[User], errors={404: None}), list[User] | None)


async def wrong(ctx: Context) -> None:
    ctx.services.users.get("/", parms={})  # error
    ctx.services.users.get("/", into=User, check=False)  # error
    name: str = await ctx.services.users.get("/", into=User)  # error
    ctx.remaining(5)  # error
"""


@pytest.mark.timeout(180)
def test_calls_and_parts_have_the_types_of_their_values(tmp_path: Path) -> None:
    """``into=``, ``errors=``, ``gather``, ``optional`` and ``fallback`` tell mypy what they give, and mypy
    finds what does not fit.
    """
    root = Path(__file__).parents[2]
    file = tmp_path / "page.py"
    file.write_text(dedent(SNIPPET))
    options = f"--strict --config-file= --cache-dir={tmp_path} --no-error-summary --follow-imports=silent"
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", *shlex.split(options), str(file)],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    expected = {number for number, line in enumerate(SNIPPET.splitlines(), 1) if line.endswith("# error")}
    found = {int(n) for n in re.findall(r"^.*page\.py:(\d+): error", checked.stdout, re.MULTILINE)}
    assert found == expected, checked.stdout + checked.stderr
