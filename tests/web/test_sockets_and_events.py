"""A browser speaks on a WebSocket and listens to events, by its own rules of origins and reconnection."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.conftest import GatewayFactory, Running, write

FILES = {
    "routes.yaml": """
        defaults: {timeout: 60s, warm_up_timeout: 60s}
        routes:
        - {path: /talk, function: talk}
        - {path: /news, function: news}
        """,
    "functions/talk.py": """
        from bff import WebSocket

        async def connect(ws: WebSocket, room: int = 1) -> None:
            await ws.accept()
            async for text in ws.iter_text():
                await ws.send_text(f"{room}: {text}")
        """,
    "functions/news.py": """
        from collections.abc import AsyncIterator
        from bff import Context, ServerSentEvent

        async def handle(ctx: Context) -> AsyncIterator[ServerSentEvent]:
            seen = int(ctx.last_event_id or 0)
            for number in (seen + 1, seen + 2):  # then the browser has to come back
                yield ServerSentEvent(event="news", id=str(number), data={"number": number}, retry=10)
        """,
}

SPEAK = """(address) => new Promise((told) => {
  const socket = new WebSocket(address);
  socket.onopen = () => socket.send("hello");
  socket.onmessage = (message) => { told(message.data); socket.close(4000); };
  socket.onclose = (event) => told(event.code);
})"""

LISTEN = """() => new Promise((told) => {
  const heard = [], source = new EventSource("/news");
  source.addEventListener("news", (event) => {
    heard.push([event.lastEventId, JSON.parse(event.data).number]);
    if (heard.length === 5) { source.close(); told(heard); }
  });
})"""


@pytest.fixture
def served(gateway: GatewayFactory, tmp_path: Path) -> Running:
    return gateway(write(tmp_path, FILES), "serve")


def test_a_page_of_ours_speaks_and_one_of_another_origin_does_not(page: Page, served: Running) -> None:
    """The same page under another name of this machine is another origin."""
    address = served.public.replace("http://", "ws://") + "/talk?room=3"
    page.goto(f"{served.public}/docs")
    assert page.evaluate(SPEAK, address) == "3: hello"
    elsewhere = served.public.replace("127.0.0.1", "localhost")
    page.goto(f"{elsewhere}/problems/not-found")
    assert page.evaluate(SPEAK, address) == 1006


def test_a_browser_that_comes_back_says_where_it_was(page: Page, served: Running) -> None:
    page.goto(f"{served.public}/docs")
    assert page.evaluate(LISTEN) == [[str(number), number] for number in range(1, 6)]
