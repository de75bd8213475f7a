"""The example's page in a real browser: a page view, an outage, a token; and the page to try every route."""

from __future__ import annotations

import functools
import http.server
import json
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey
from playwright.sync_api import Page, expect

from tests.conftest import GatewayFactory, Running
from tests.demo.conftest import Demo, started
from tests.web.conftest import EXAMPLE, run


@pytest.fixture(scope="module")
def site(tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The example, compiled strictly and served as files, from an origin of its own."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(
        EXAMPLE, folder, ignore=shutil.ignore_patterns("node_modules", "dist"), dirs_exist_ok=True
    )
    run(tools / "tsc", "--strict", "--project", folder, cwd=EXAMPLE)
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None: ...


@pytest.fixture(scope="module")
def holidays(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The service that goes down has a process of its own."""
    with started(tmp_path_factory.mktemp("holidays")) as demo:
        yield demo


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with started(tmp_path_factory.mktemp("others")) as demo:
        yield demo


@pytest.fixture(scope="module")
def key() -> RSAKey:
    return RSAKey.generate_key(2048, parameters={"kid": "one"})


Serve = Callable[..., Running]


def patient(folder: Path) -> Path:
    """The example's gateway, but for its haste: services that answer late on a busy machine are no outage."""
    text = (EXAMPLE / "routes.yaml").read_text()
    text = text.replace("../../functions", str(EXAMPLE.parents[1] / "functions"))
    text, count = re.subn(r"(?<=timeout: )[^ ]+(?= })", "60s", text)
    assert count == 3
    (folder / "routes.yaml").write_text(f"defaults: {{ timeout: 60s, warm_up_timeout: 60s }}\n{text}")
    return folder


@pytest.fixture
def serve(site: str, others: Demo, key: RSAKey, gateway: GatewayFactory, tmp_path: Path) -> Serve:
    jwks = tmp_path / "jwks.json"
    jwks.write_text(json.dumps({"keys": [key.as_dict(private=False)]}))
    env = {
        "PAGE_ORIGIN": site,
        "JWKS": str(jwks),
        "AIRPORTS_URL": others.urls["airports"],
        "CLOCKS_URL": others.urls["clocks"],
    }
    folder = patient(tmp_path)
    return lambda **more: gateway(folder, "serve", env={**env, **more})


@pytest.fixture
def served(serve: Serve, holidays: Demo) -> Running:
    return serve(HOLIDAYS_URL=holidays.urls["holidays"])


class Gate(http.server.BaseHTTPRequestHandler):
    """A holidays service that answers when it is let."""

    opened = threading.Event()

    def do_GET(self) -> None:
        self.opened.wait(120)
        body = json.dumps([{"date": "2027-04-27", "name": "King's Day", "local_name": "Koningsdag"}]).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def slow_holidays() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Gate) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        Gate.opened.set()
        server.shutdown()
        thread.join()


def token(key: RSAKey, **claims: object) -> str:
    now = int(time.time())
    said = {"iss": "https://id.example.com", "aud": "arrivals", "sub": "ada", "iat": now, "exp": now + 600}
    return jwt.encode({"alg": "RS256", "kid": "one"}, {**said, **claims}, key)


def test_members_are_refused_without_a_token_and_served_with_one(
    page: Page, site: str, served: Running, key: RSAKey
) -> None:
    page.goto(f"{site}/?gateway={served.public}&members")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("alert")).to_contain_text("Nobody is known here by this request")
    expect(page.locator("#page")).to_be_hidden()

    page.get_by_label("Token").fill(token(key, exp=int(time.time()) - 600))
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("alert")).to_contain_text("The token has expired")

    page.get_by_label("Token").fill(token(key))
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#name")).to_contain_text("Amsterdam")
    expect(page.get_by_role("alert")).to_be_hidden()


def test_the_page_is_there_before_its_slowest_part(
    page: Page, site: str, serve: Serve, slow_holidays: str
) -> None:
    """The airport is shown while the holidays are still on their way; then they come into the same page."""
    served = serve(HOLIDAYS_URL=slow_holidays)
    page.goto(f"{site}/?gateway={served.public}")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#name")).to_contain_text("Amsterdam")
    expect(page.locator("#page")).to_have_attribute("aria-busy", "true")
    expect(page.locator("#holidays li")).to_have_count(0)

    Gate.opened.set()
    expect(page.locator("#holidays li")).to_have_text(["2027-04-27: King's Day"])
    expect(page.locator("#page")).to_have_attribute("aria-busy", "false")
    expect(page.get_by_role("status")).to_be_hidden()


def test_every_route_can_be_tried_on_the_docs_page(page: Page, served: Running) -> None:
    """Swagger UI under a strict policy, without a request to anywhere else."""
    page.goto(f"{served.public}/docs")
    page.get_by_text("/api/arrival/{country}/{code}").first.click()
    page.get_by_placeholder("country").fill("NL")
    page.get_by_placeholder("code").fill("AMS")
    page.get_by_role("button", name="Execute").click()
    expect(page.locator(".live-responses-table tr.response .response-col_status")).to_contain_text("200")
    expect(page.locator(".live-responses-table")).to_contain_text("Amsterdam")


def test_the_page_survives_the_loss_of_a_service_and_says_so(
    page: Page, site: str, served: Running, holidays: Demo
) -> None:
    """Last of the module's tests that need the service: it does not come back."""
    page.goto(f"{site}/?gateway={served.public}")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#name")).to_contain_text("Amsterdam")
    expect(page.locator("#holidays li")).to_have_count(3)
    expect(page.get_by_role("status")).to_be_hidden()

    holidays.process.kill()
    holidays.process.wait(60)
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("status")).to_have_text("Not here at the moment: holidays.")
    expect(page.locator("#name")).to_contain_text("Amsterdam")
    expect(page.locator("#holidays li")).to_have_count(0)
