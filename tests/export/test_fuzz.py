"""Every route asked through its own OpenAPI document, for what it says it takes and for what it says it does not.

A sample in `make test`; `make soak` asks many times as much, and the gallery too.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.conftest import GatewayFactory, Running

IS_SOAK = bool(os.environ.get("BFF_SOAK"))
EXAMPLES = 300 if IS_SOAK else 6
ENDS_WITHIN = 1500 if IS_SOAK else 110
KEY = "open-sesame"

FILES = {
    "routes.yaml": """
        openapi: {title: Fuzzed, version: "1"}
        gateway:
          cors: {origins: ["https://*.shop.example"], credentials: true}
        auth:
          partners:
            api_keys:
              keys:
                acme: {digest: "sha256:d7ecdf25eaf3deba0f2628771dbdd22d4138ab6cf38f91ed02a2ca0dec7c8ab7"}
        limits:
          policies:
            plenty: {requests: 1000000, window: 1s, per: address}
        defaults: {compression: true, limits: plenty}
        routes:
          - {path: "/things/{id}", function: thing}
          - {path: "/things/{id}/notes/{note}", methods: [PUT], function: note}
          - {path: /things, methods: [POST], function: made, length_required: true}
          - {path: /search, function: search, cache: {ttl: 1s}}
          - {path: /form, methods: [POST], function: form}
          - {path: /upload, methods: [POST], function: upload}
          - {path: /raw, methods: [POST], function: raw}
          - {path: /lines, function: lines}
          - {path: /me, function: me, auth: partners}
          - {path: "/files/{rest:path}", function: file}
          - {path: "/site/{rest:path}", function: site, auth: partners}
    """,
    "functions/thing.py": """
        from typing import Annotated
        from pydantic import BaseModel, Field
        from bff import Header, Path, Query

        class Thing(BaseModel):
            id: int
            name: str
            price: float | None

        async def handle(
            id: Annotated[int, Path(), Field(ge=0, le=10**9)],
            limit: Annotated[int, Query(), Field(ge=1, le=100)] = 10,
            tags: Annotated[list[str], Query()] = [],
            accept_language: Annotated[str, Header()] = "en",
        ) -> Thing:
            return Thing(id=id, name=f"{limit} {tags} {accept_language}", price=None)
    """,
    "functions/note.py": """
        from pydantic import BaseModel

        class Note(BaseModel):
            text: str
            done: bool = False

        async def handle(id: int, note: str, body: Note) -> Note:
            return body
    """,
    "functions/made.py": """
        from datetime import date
        from enum import Enum
        from typing import Annotated
        from uuid import UUID
        from pydantic import BaseModel, Field

        class Kind(Enum):
            LAMP = "lamp"
            CHAIR = "chair"

        class Part(BaseModel):
            code: Annotated[str, Field(pattern="^[a-z]{2,5}$")]
            count: Annotated[int, Field(ge=0, le=1000)]

        class New(BaseModel):
            name: Annotated[str, Field(min_length=1, max_length=20)]
            kind: Kind
            parts: Annotated[list[Part], Field(max_length=3)] = []
            made: date | None = None
            owner: UUID | None = None
            extra: dict[str, float] = {}

        async def handle(new: New) -> New:
            return new
    """,
    "functions/search.py": """
        from datetime import date
        from typing import Annotated, Literal
        from pydantic import Field
        from bff import Cookie, Query

        async def handle(
            q: Annotated[str, Query(), Field(max_length=30)],
            order: Literal["asc", "desc"] = "asc",
            page: Annotated[int, Query(), Field(ge=1)] = 1,
            exact: bool = False,
            day: Annotated[date | None, Field(ge=date(2020, 1, 1), json_schema_extra={"pattern": "^20[2-9]"})] = None,
            theme: Annotated[str | None, Cookie()] = None,
        ) -> dict[str, str | int]:
            return {"q": q, "order": order, "page": page}
    """,
    "functions/form.py": """
        from typing import Annotated
        from pydantic import Field
        from bff import Form

        async def handle(
            title: Annotated[str, Form()], count: Annotated[int, Form(), Field(ge=0)] = 0
        ) -> dict[str, str | int]:
            return {"title": title, "count": count}
    """,
    "functions/upload.py": """
        from typing import Annotated
        from starlette.datastructures import UploadFile
        from bff import Form

        async def handle(
            picture: UploadFile, title: Annotated[str, Form()] = ""
        ) -> dict[str, str | int | None]:
            return {"name": picture.filename, "size": len(await picture.read()), "title": title}
    """,
    "functions/raw.py": """
        async def handle(body: bytes) -> bytes:
            return body
    """,
    "functions/lines.py": """
        from collections.abc import AsyncIterator
        from typing import Annotated
        from pydantic import Field
        from bff import Query

        async def handle(
            count: Annotated[int, Query(), Field(ge=0, le=20)] = 3
        ) -> AsyncIterator[dict[str, int]]:
            for number in range(count):
                yield {"number": number}
    """,
    "functions/me.py": """
        from bff import Context

        async def handle(ctx: Context) -> dict[str, str]:
            return {"who": ctx.caller.subject}
    """,
    "functions/site.py": """
        from starlette.applications import Starlette
        from starlette.responses import PlainTextResponse, RedirectResponse
        from starlette.routing import Route

        async def page(request):
            return PlainTextResponse(request.path_params["name"])

        async def moved(request):
            return RedirectResponse("/site/pages/1")

        app = Starlette(routes=[Route("/pages/{name}", page), Route("/", moved)])
    """,
    "functions/file.py": """
        async def handle(rest: str) -> dict[str, str]:
            return {"rest": rest}
    """,
}


SETTINGS = """\
# In a form every value is text, and any bytes are a file: a "number" in its place is one as it travels.
[[operations]]
include-path = "/upload"
[operations.checks]
negative_data_rejection.enabled = false
"""


def fuzzed(running: Running, folder: Path, *, seed: int) -> str:
    """What schemathesis says of the gateway, all of its checks and phases asked."""
    (folder / "schemathesis.toml").write_text(SETTINGS)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{running.public}/openapi.json"),
            # Without --checks all of them are on, and the file can switch one off for one operation.
            *("--max-examples", str(EXAMPLES), "--seed", str(seed), "--no-color"),
            *("--header", f"x-api-key: {KEY}", "--generation-database", "none"),
        ],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")},
        capture_output=True,
        text=True,
        timeout=ENDS_WITHIN,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    return done.stdout


@pytest.mark.timeout(ENDS_WITHIN + 30)
def test_every_route_keeps_what_its_description_promises(
    module_gateway: GatewayFactory,
    module_project: Callable[[Mapping[str, str | bytes]], Path],
    tmp_path: Path,
) -> None:
    """Whatever is asked: no 5xx, no status, type, field or body that is not described, nothing taken that does
    not fit and nothing refused that does, no method that is not there, no door open without its key.
    """
    running = module_gateway(module_project(FILES), "serve")
    said = fuzzed(running, tmp_path, seed=20261128)
    assert "11 selected" in said or "Selected: 11/11" in said
    assert not [line for line in running.logs() if line["status"] >= 500]
