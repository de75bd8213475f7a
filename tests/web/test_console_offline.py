"""Work offline in the console, in a real browser: a run that failed goes on, an event that is dead is redriven."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.conftest import GatewayFactory, eventually
from tests.web.conftest import barriers
from tests.web.test_console import Shop, Visit, signed_in

Project = Callable[[Mapping[str, str]], Path]
FILES = {
    "routes.yaml": """\
        state: sqlite:///.bff/state.db
        defaults: {timeout: 60s, warm_up_timeout: 60s}
        events: {path: /events}
        triggers:
          mail: {function: mail, filters: [{exact: {type: paid}}], delivery: {retry: 0}}
          pro: {function: mail, filters: [{exact: {$.plan: pro}}]}
        schedules: {warm: {cron: "0 0 1 1 *", function: split}}
        pipelines: {images: {steps: [{function: split}, {function: size, each: $, delivery: {retry: 0}}]}}
        """,
    "functions/mail.py": """\
        from pathlib import Path
        async def handle(body: dict) -> None:
            if not Path("HERE/mended").exists():
                raise RuntimeError("mail is down")
        """,
    "functions/split.py": "async def handle(body: dict) -> list:\n    return [0, 1, 2]\n",
    "functions/size.py": """\
        from pathlib import Path
        from typing import Annotated
        from bff import Body
        async def handle(body: Annotated[int, Body()]) -> int:
            if body == 1 and not Path("HERE/mended").exists():
                raise RuntimeError("cannot")
            return body + 10
        """,
}


class Works(Shop):
    """A gateway where a run has failed and an event is dead."""

    def begin(self) -> tuple[str, str]:
        """The keys of both."""
        (self.running.folder / "mended").unlink(missing_ok=True)
        begun = self.api.post("/v1/pipelines/images/runs", json={"data": {}}).json()["key"]
        attributes = {"id": begun, "source": "/s", "type": "paid", "specversion": "1.0"}
        headers = {f"ce-{name}": value for name, value in attributes.items()}
        sent = self.running.client.post("/events", json={"plan": "free"}, headers=headers)
        event = str(sent.json()["events"][0]["key"])

        def stand() -> bool:
            run = self.api.get(f"/v1/runs/{begun}").json().get("state")
            (mail,) = self.api.get(f"/v1/events/{event}").json()["deliveries"]
            return bool(run == "failed" and mail["state"] == "dead")

        eventually(stand, 60, every=0.05)
        return str(begun), event

    def mend(self) -> None:
        """What failed would not fail again."""
        (self.running.folder / "mended").touch()


@pytest.fixture(scope="module")
def works(module_gateway: GatewayFactory, module_project: Project) -> Iterator[Works]:
    folder = module_project(FILES)
    for name in ("mail", "size"):
        file = folder / f"functions/{name}.py"
        file.write_text(file.read_text().replace("HERE", str(folder)))
    made = Works(module_gateway(folder, "serve"))
    with made.api:
        yield made


@pytest.fixture
def visit(browser: Browser, works: Works) -> Iterator[Visit]:
    context = browser.new_context()
    made = Visit(context.new_page(), works)
    yield made
    context.close()
    assert made.complaints == []


def test_every_page_can_be_used_by_everybody(visit: Visit, works: Works, axe: str) -> None:
    """Wide and light, narrow and dark: no violation of axe's, nothing wider than the screen."""
    page, (run, event) = visit.page, works.begin()
    for path in (
        *("/events", "/events?filter=nothing", f"/events/{event}", "/dead", "/schedules"),
        *("/pipelines", "/pipelines/images", f"/runs/{run}"),
    ):
        page.set_viewport_size({"width": 1280, "height": 800})
        page.emulate_media(color_scheme="light")
        visit.to(f"/console{path}")
        expect(page.locator("#connection")).to_have_text("Live")
        assert barriers(page, axe) == [], path
        page.set_viewport_size({"width": 360, "height": 800})
        page.emulate_media(color_scheme="dark")
        assert barriers(page, axe, again=True) == [], path
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path


def test_a_run_is_restarted_from_its_failed_step_and_seen_to_its_end(visit: Visit, works: Works) -> None:
    """Only the part that was dead is done again; the page follows without a reload of the reader's."""
    run, _ = works.begin()
    page = signed_in(visit, f"/console/runs/{run}")
    expect(page.locator("[data-part=timeline]")).to_contain_text("2 of 3, 1 dead")
    works.mend()
    page.get_by_role("button", name="Restart from the failed step").click()
    dialog = page.get_by_role("dialog", name="Restart from the failed step")
    expect(dialog.locator("[data-curl]")).to_contain_text(
        f"curl -X POST '{works.url(f'/v1/runs/{run}/resume')}'"
    )
    dialog.get_by_role("button", name="Restart from the failed step").click()
    expect(page.locator("#done")).to_have_text("Restart from the failed step: done")
    expect(page.locator("[data-part=standing]")).to_contain_text("succeeded")
    parts = works.api.get(f"/v1/runs/{run}").json()["parts"]
    assert [each["attempts"] for each in parts] == [1, 1, 2, 1]


def test_a_dead_event_is_explained_redriven_and_gone_from_the_dead(visit: Visit, works: Works) -> None:
    _, event = works.begin()
    page = signed_in(visit, "/console/dead")
    works.mend()
    page.locator(f"a[href='/console/events/{event}']").click()
    expect(page.locator("main")).to_contain_text("$.plan is 'free', not 'pro'")
    page.get_by_role("button", name="Redrive").click()
    dialog = page.get_by_role("dialog", name="Redrive")
    expect(dialog.locator("[data-curl]")).to_contain_text(works.url(f"/v1/events/{event}/redrive"))
    dialog.get_by_role("button", name="Redrive").click()
    expect(page.locator("[data-part=standing]")).to_contain_text("delivered")
    visit.to("/console/dead")
    expect(page.locator(f"a[href='/console/events/{event}']")).to_have_count(0)


def test_a_schedule_is_run_and_a_trigger_paused_by_a_click(visit: Visit, works: Works) -> None:
    page = signed_in(visit, "/console/schedules")
    expect(page.locator("[data-part=rows]")).to_contain_text("never")
    page.get_by_role("button", name="Run now").click()
    page.get_by_role("dialog", name="Run now").get_by_role("button", name="Run now").click()
    expect(page.locator("#done")).to_have_text("Run now: done")
    visit.to("/console/events?trigger=schedule/warm")
    expect(page.locator("[data-part=rows]")).to_contain_text("bff.schedule")
    for verb in ("Pause", "Resume"):
        visit.to("/console/events")
        page.get_by_role("row").filter(has_text="pro").get_by_role("button", name=verb).click()
        page.get_by_role("dialog", name=verb).get_by_role("button", name=verb).click()
        expect(page.locator("#done")).to_have_text(f"{verb}: done")
