"""The door of the console: who gets a page, what every page carries, and what is open to nobody."""

from __future__ import annotations

import re
import subprocess
import sys
from textwrap import dedent

import pytest

from tests.admin.conftest import LOCAL, READER, Asking
from tests.console.conftest import Open, Standing

pytestmark = pytest.mark.anyio

PAGE = {"accept": "text/html,*/*;q=0.8"}
PATHS = ("/console", "/console/functions", "/console/nowhere")


@pytest.mark.parametrize("path", PATHS)
async def test_nothing_is_inlined_and_nothing_comes_from_elsewhere(asking: Asking, path: str) -> None:
    """Also of a page that says what went wrong; every file it names is there, of the right type, to be kept."""
    page = await asking("GET", path, headers=PAGE)
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert page.headers["x-frame-options"] == "DENY"
    assert page.headers["cache-control"] == "no-store"
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)", page.text)
    named = re.findall(r'(?:src|href)="([^"]+\.(?:js|css|svg))"', page.text)
    assert len(named) >= 5
    for name in named:
        file = await asking("GET", name)
        assert file.status_code == 200
        assert "immutable" in file.headers["cache-control"]
        assert file.headers["x-content-type-options"] == "nosniff"


async def test_scripts_name_only_files_that_are_there(asking: Asking) -> None:
    """Modules, and what they import, by their relative names."""
    page = (await asking("GET", "/console", headers=PAGE)).text
    entry = re.search(r'src="([^"]+/app\.js)"', page)
    assert entry is not None
    todo, seen = {entry[1]}, set[str]()
    while todo:
        path = todo.pop()
        seen.add(path)
        script = await asking("GET", path)
        assert script.status_code == 200, path
        base = path.rpartition("/")[0]
        todo |= {f"{base}/{name}" for name in re.findall(r'from "\./([^"]+)"', script.text)} - seen
    assert len(seen) > 5


async def test_an_old_page_gets_the_files_there_are(asking: Asking) -> None:
    file = await asking("GET", "/console/static/of-last-week/app.js")
    assert file.status_code == 200
    assert file.headers["cache-control"] == "no-store"
    assert (await asking("GET", "/console/static/x/manifest.json")).status_code == 404


async def test_the_listener_s_root_leads_to_the_console(asking: Asking) -> None:
    for path in ("/", "/console/"):
        answer = await asking("GET", path)
        assert (answer.status_code, answer.headers["location"]) == (303, "/console")


async def test_on_loopback_pages_are_open_and_elsewhere_they_ask_for_a_token(console: Open) -> None:
    """The page that asks tells nothing of the gateway but its name."""
    functions = {"secret-project": Standing("secret-project")}
    async with console(functions=functions) as here:
        assert ".bff/admin-token" in (await here("GET", "/console", headers=PAGE)).text
        assert "secret-project" in (await here("GET", "/console/functions", headers=PAGE)).text
    async with console(functions=functions, host="10.0.0.1") as elsewhere:
        refused = await elsewhere("GET", "/console/functions", headers=PAGE)
        assert refused.status_code == 401
        assert "data-gate" in refused.text
        assert "secret-project" not in refused.text
        assert ".bff" not in refused.text
        wrong = await elsewhere("GET", "/console/functions", headers=PAGE, token="bff_wrong" * 5)
        assert wrong.status_code == 401
        for token in (READER, LOCAL):
            shown = await elsewhere("GET", "/console/functions", headers=PAGE, token=token)
            assert shown.status_code == 200
            assert "secret-project" in shown.text


async def test_the_page_that_asks_for_a_token_has_the_head_of_all_others(console: Open) -> None:
    """The body of the page that was asked for takes its body's place: what that needs to look right is there already."""
    async with console(host="10.0.0.1") as elsewhere:
        asked = await elsewhere("GET", "/console", headers=PAGE)
        shown = await elsewhere("GET", "/console", headers=PAGE, token=READER)
    assert "data-gate" in asked.text
    assert "data-gate" not in shown.text
    assert _head(asked.text) == _head(shown.text)
    assert len(re.findall('rel="stylesheet"', _head(asked.text))) >= 3


def _head(page: str) -> str:
    return re.sub(r"<title>.*</title>", "", page.partition("</head>")[0])


async def test_a_link_on_another_page_may_lead_here_and_nothing_else_of_it(asking: Asking) -> None:
    """Who follows a link from a chat sees the page; frames, scripts and forms of foreign pages get nothing."""
    link = {"sec-fetch-site": "cross-site", "sec-fetch-dest": "document", **PAGE}
    assert (await asking("GET", "/console", headers=link)).status_code == 200
    assert (await asking("POST", "/console", headers=link)).status_code == 403
    assert (await asking("GET", "/v1/functions", headers=link)).status_code == 403
    frame = {**link, "sec-fetch-dest": "iframe"}
    assert (await asking("GET", "/console", headers=frame)).status_code == 403
    script = {"sec-fetch-site": "same-site", "sec-fetch-dest": "empty", **PAGE}
    assert (await asking("GET", "/console", headers=script)).status_code == 403
    origin = {"origin": "http://127.0.0.1:3000", "sec-fetch-dest": "document"}
    assert (await asking("GET", "/console", headers=origin)).status_code == 403
    assert (await asking("GET", "/console", headers={"host": "evil.example"})).status_code == 400


async def test_what_went_wrong_is_a_page_for_people_and_a_document_for_programs(asking: Asking) -> None:
    page = await asking("GET", "/console/nowhere", headers=PAGE)
    assert page.status_code == 404
    assert page.headers["content-type"].startswith("text/html")
    told = await asking("GET", "/console/nowhere")
    assert told.headers["content-type"] == "application/problem+json"
    assert (await asking("GET", "/v1/nowhere", headers=PAGE)).headers["content-type"].endswith("json")


async def test_names_are_text_whatever_is_in_them(console: Open) -> None:
    """Nor does it turn the text around it, or hide some of it."""
    name = "<img src=x onerror=alert(1)>\"'&{{7*7}}\u202e\u200b"
    async with console(functions={name: Standing(name)}) as asking:
        page = (await asking("GET", "/console/functions", headers=PAGE)).text
        assert "<img src=x" not in page
        assert "&lt;img" in page
        assert r"{{7*7}}\u202e\u200b" in page
        nothing = await asking("GET", "/console/functions", headers=PAGE, params={"filter": "<b>"})
        assert "<b>" not in nothing.text


async def test_what_it_does_not_understand_it_refuses(asking: Asking) -> None:
    for query in ("page=0", "page=x", "nothing=1", "filter=a&filter=b"):
        assert (await asking("GET", f"/console/functions?{query}", headers=PAGE)).status_code == 400


async def test_pages_are_no_part_of_the_api_s_description(asking: Asking) -> None:
    assert "/console" not in (await asking("GET", "/openapi.json")).text


def test_neither_the_console_nor_jinja_is_imported_before_the_first_page() -> None:
    """Nor by the first request of somebody else, such as the probe of a supervisor."""
    script = """
    import asyncio, sys
    from pathlib import Path
    import httpx
    from bff.app import Options, compose
    from bff.config import load

    Path("functions").mkdir()
    Path("routes.yaml").write_text("{}")

    async def main():
        async with compose(load(Path("routes.yaml")), Options(dev=True)) as house:
            transport = httpx.ASGITransport(app=house.office.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
                assert (await client.get("/v1/functions")).status_code == 200
                assert not [name for name in sys.modules if name.startswith(("jinja2", "bff.console"))]
                page = await client.get("/console", headers={"accept": "text/html"})
                assert page.status_code == 200, page.text
                assert "jinja2" in sys.modules

    asyncio.run(main())
    """
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-c", dedent(script)],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 0, done.stderr
