"""Forms through the gateway: limits by route and as default, in the gateway and in a process of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from bff.testing import client

ROUTES = """
defaults:
  forms: {max_fields: 2}
functions:
  apart: {isolation: process}
routes:
  - {path: /few, methods: POST, function: upload}
  - {path: /more, methods: POST, function: upload, forms: {max_files: 1, max_file: 10B}}
  - {path: /apart, methods: POST, function: apart, forms: {max_file: 10B}}
  - {path: /raw, methods: POST, function: raw, forms: {max_fields: 1, max_field: 5B}}
"""
UPLOAD = """
from typing import Annotated
from starlette.datastructures import UploadFile
from bff import Form

async def handle(a: Annotated[list[str], Form()] = [], f: list[UploadFile] = []) -> dict[str, int]:
    return {"fields": len(a), "files": len(f)}
"""
RAW = """
async def handle(request):
    form = await request.form(max_part_size=7)
    return {"fields": len(form.multi_items())}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "functions").mkdir()
    (tmp_path / "routes.yaml").write_text(ROUTES)
    for name, text in {"upload": UPLOAD, "apart": UPLOAD, "raw": RAW}.items():
        (tmp_path / "functions" / f"{name}.py").write_text(text)
    return tmp_path


@pytest.mark.anyio
async def test_each_route_keeps_its_own_limits(project: Path) -> None:
    """413 with a page of its own; a route's section stands in the place of the default's."""
    three, large = {"a": ["1", "2", "3"]}, {"f": ("name", b"x" * 11)}
    async with client(project) as page:
        for path in ("/few", "/more", "/apart"):
            allowed = (await page.post(path, data={"a": ["1", "2"]}, files={"f": ("name", b"x" * 10)})).json()
            assert allowed == {"fields": 2, "files": 1}, path
        assert (await page.post("/few", data=three)).json()["code"] == "form-too-large"
        assert (await page.post("/more", data=three)).status_code == 200
        assert (await page.post("/few", files=large)).status_code == 200
        for path in ("/more", "/apart"):
            refused = await page.post(path, files=large)
            assert (refused.status_code, refused.json()["type"]) == (413, "/problems/form-too-large"), path


@pytest.mark.anyio
async def test_a_raw_request_s_form_has_them_too(project: Path) -> None:
    """What the handler says instead counts: seven bytes here, where the route says five."""
    async with client(project) as page:
        assert (await page.post("/raw", data={"a": "12345"})).json() == {"fields": 1}
        assert (await page.post("/raw", data={"a": "1234567"})).status_code == 413
        assert (await page.post("/raw", data={"a": "1", "b": "2"})).status_code == 413
