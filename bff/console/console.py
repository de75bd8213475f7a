"""All pages put together: as operations of the admin listener, behind its checks of Host, Origin and token."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping
from functools import partial
from typing import Any

import orjson

from bff.admin.desk import House
from bff.admin.operation import EVENTS, Asked, Operation, Reply
from bff.admin.watching import BEAT, Watchers, event
from bff.console.caution import FIELDS, HTML
from bff.console.files import Files
from bff.console.live import TICK, Feeds, Parts
from bff.console.page import Page
from bff.console.pages import pages_of
from bff.console.place import Place
from bff.console.rendering import Renderer
from bff.errors import BffError
from bff.runtime.threads import Threads

MOST_WATCHERS = 64


class Console:
    """A face of the admin listener. Mutable state: who watches, and which pages are ``_compiled``."""

    def __init__(self, house: House, place: Place) -> None:
        self._clock = house.clock
        self._files = Files()
        self._pages = pages_of(house)
        self._feeds = Feeds(house.clock)
        self._compiled: set[str] = set()
        self._watchers = Watchers(MOST_WATCHERS, "the console", clock=house.clock, is_ready=house.is_ready)
        self._renderer = Renderer(
            {
                "place": place,
                "base": self._files.base,
                "nav": [page for page in self._pages if page.nav],
            }
        )

    def prepare(self) -> None:
        """Read every file, and compile what all pages have."""
        self._renderer.prepare("frame.html", "error.html", "login.html")

    def operations(self) -> Iterable[Operation]:
        """The pages, the way to the first of them, and their files."""
        for path in ("/", "/console/"):
            yield Operation(
                name="console",
                method="GET",
                path=path,
                says="To the console.",
                run=self._home,
                scope=None,
                status=303,
            )
        yield self._files.operation()
        for page in self._pages:
            yield Operation(
                name=f"console.{page.name}",
                method="GET",
                path=page.path,
                says=page.title,
                run=partial(self._show, page),
                query=page.query,
                kind=HTML,
            )

    def refusal(self, error: BffError) -> Reply:
        """The page that asks for a token, or one that says what went wrong."""
        name = "login" if error.status == 401 else "error"
        facts = {"page": None, "error": error, "problem": f"/problems/{error.explained}"}
        body = self._renderer.render(f"{name}.html", facts).encode()
        more = tuple((key.encode(), value.encode()) for key, value in error.headers().items())
        return Reply(status=error.status, kind=HTML, body=body, fields=(*FIELDS, *more))

    async def _home(self, _: Asked) -> Reply:
        return Reply(status=303, kind=HTML, fields=((b"location", b"/console"),))

    async def _ready(self, page: Page) -> None:
        """Compile a page that is asked for the first time, in a thread of its own."""
        if page.name not in self._compiled:
            thread = Threads("bff-console", 1)
            try:
                await thread.run(partial(self._renderer.prepare, f"{page.name}.html", f"{page.name}/"))
            finally:
                thread.close()
            self._compiled.add(page.name)

    async def _show(self, page: Page, asked: Asked) -> Reply:
        await self._ready(page)
        if EVENTS in asked.accept:
            self._watchers.admit()
            return Reply(kind=EVENTS, body=self._watched(page, asked))
        facts = await page.facts(asked)
        body = self._renderer.render(f"{page.name}.html", {"page": page, **facts})
        return Reply(kind=HTML, body=body.encode(), fields=FIELDS)

    async def _parts(self, page: Page, asked: Asked) -> Parts:
        facts: Mapping[str, Any] = {"page": page, **await page.facts(asked)}
        return {part: self._renderer.render(f"{page.name}/{part}.html", facts) for part in page.parts}

    async def _watched(self, page: Page, asked: Asked) -> AsyncGenerator[bytes, None]:
        """The live parts as they change, until the reader or the gateway leaves."""
        url = repr((page.name, sorted(asked.params.items()), sorted(asked.query.items())))
        feed = self._feeds.join(url, partial(self._parts, page, asked))
        try:
            async with self._watchers.watch(asked) as watch:
                yield b": from here on\n\n"
                seen = 0
                while watch.goes_on() and page.parts:
                    try:
                        seen, changed = await feed.after(seen)
                    except BffError as error:  # what the page is about is gone, or the store for a while
                        watch.speaks()
                        yield event(b"trouble", seen, orjson.dumps(str(error)))
                        changed = {}
                    if changed:
                        watch.speaks()
                        yield event(b"parts", seen, orjson.dumps(changed))
                    elif watch.beats():
                        yield BEAT
                    await self._clock.sleep(TICK)
        finally:
            self._feeds.leave(url, feed)
