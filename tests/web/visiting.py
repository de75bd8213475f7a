"""A gateway that serves, somebody who may change it, and somebody who visits its console."""

from __future__ import annotations

import re
import shlex

import httpx
from playwright.sync_api import Page

from bff.revisions import archive
from bff.revisions.snapshot import take
from tests.conftest import Running, write
from tests.web.conftest import PATIENCE

LONG = "a_function_whose_name_goes_on_and_on_" * 3 + "until_it_ends"
ROUTES = f"""\
defaults: {{timeout: 60s, warm_up_timeout: 60s}}
functions:
  home: {{release: {{strategy: canary, steps: [10, 50, 100], interval: 1h, min_requests: 5, max_latency_ratio: 100}}}}
routes:
- {{path: /home, function: home}}
- {{path: /cart, function: cart}}
- {{path: /broken, function: broken}}
- {{path: /long, function: {LONG}}}
"""
FILES = {
    "routes.yaml": ROUTES,
    "functions/home.py": "import email.message\n\nasync def handle() -> int:\n    return 1\n",
    "functions/cart.py": "async def handle(fail: bool = False) -> int:\n    return 1 // (not fail)\n",
    "functions/broken.py": "import nothing_of_this_name\n",
    f"functions/{LONG}.py": "async def handle() -> int:\n    return 1\n",
}


class Shop:
    """A gateway with two revisions of ``home``, and who may change it."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.token = (running.folder / ".bff" / "admin-token").read_text().strip()
        headers = {"authorization": f"Bearer {self.token}"}
        self.api = httpx.Client(base_url=running.admin, headers=headers, trust_env=False, timeout=60)

    def deploy(self, number: int, query: str = "") -> str:
        """Another revision of ``home``, whose answer is this number; its name."""
        root = write(
            self.running.folder / "elsewhere" / str(number) / "functions",
            {"home.py": f"async def handle(limit: int = {number}) -> int:\n    return {number}\n"},
        )
        body = archive.packed(
            take(root, "home", b'{"timeout": 60.0, "isolation": "inline", "concurrency": 0}')
        )
        kind = {"content-type": "application/vnd.bff.archive"}
        made = self.api.post(f"/v1/functions/home/revisions{query}", content=body, headers=kind)
        assert made.status_code in (200, 201), made.text
        return str(made.json()["revision"]["name"])

    def shares(self) -> dict[str, int]:
        """Percent by revision."""
        told = self.api.get("/v1/functions/home/traffic").json()
        return {
            each.get("revisionName", told["latest"]): each["percent"]
            for each in told["traffic"]
            if each["percent"]
        }

    def all_to(self, revision: str) -> None:
        """A known place to begin from."""
        assert self.api.post("/v1/functions/home/promote", json={"revision": revision}).status_code == 200

    def url(self, path: str) -> str:
        return f"{self.running.admin}{path}"


class Visit:
    """A page, and everything that the browser complained of."""

    def __init__(self, page: Page, shop: Shop) -> None:
        self.page = page
        self.shop = shop
        self.complaints: list[str] = []
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        page.on("request", lambda request: self._asked(request.url))

    def _asked(self, url: str) -> None:
        if not url.startswith(self.shop.running.admin):
            self.complaints.append(f"asked for {url}")

    def to(self, path: str) -> Page:
        self.page.goto(self.shop.url(path))
        return self.page

    def enter(self, token: str) -> None:
        """Give the token that is asked for."""
        dialog = self.page.get_by_role("dialog", name="Enter a token")
        dialog.get_by_label("Token").fill(token)
        dialog.get_by_role("button", name="Keep it").click()

    def expected(self, *patterns: str) -> None:
        """What was complained of so far had to be."""
        left = [each for each in self.complaints if not any(re.search(pattern, each) for pattern in patterns)]
        assert left == []
        self.complaints.clear()


def signed_in(visit: Visit, path: str) -> Page:
    page = visit.to(path)
    page.evaluate("token => localStorage.setItem('bff.token', token)", visit.shop.token)
    return visit.to(path)


def ran(curl: str, token: str) -> httpx.Response:
    """What a shell would do with the text that is shown."""
    words = shlex.split(curl.replace("\\\n", " ").replace("$BFF_TOKEN", token))
    method, url = words[words.index("-X") + 1], next(word for word in words if word.startswith("http"))
    headers = dict(word.split(": ", 1) for at, word in enumerate(words) if words[at - 1] == "-H")
    body = next((word for at, word in enumerate(words) if words[at - 1] == "-d"), None)
    return httpx.request(method, url, headers=headers, content=body, trust_env=False, timeout=60)
