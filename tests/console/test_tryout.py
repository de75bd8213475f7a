"""The pages on which a route is tried, and on which stands what happened to the gateway."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bff.admin.desk import Public
from bff.signals import ConfigRejected, EndpointReturned, LoadFailed, RevisionReady, Signals
from bff.telemetry.journal import Journal
from bff.testing import ManualClock
from tests.admin.conftest import nowhere
from tests.console.conftest import Open, Standing
from tests.console.test_routeforms import INTEGER, document
from tests.console.test_telling import EVIL, LONG, seen

pytestmark = pytest.mark.anyio

SERVICES = {"users": {"url": "http://users"}}


def public(*, is_dev: bool, **operation: Any) -> Public:
    async def routes() -> bytes:
        return json.dumps(document(**operation) if operation else {"paths": {}}).encode()

    return Public(app=nowhere, url=lambda: "http://127.0.0.1:8000", document=routes, is_dev=is_dev)


async def test_a_form_is_made_of_the_schema(console: Open, anyio_backend: str) -> None:
    """Of the route that is asked for; in dev with the faults one may ask for."""
    parameter = {"name": "user_id", "in": "path", "required": True, "schema": INTEGER, "description": EVIL}
    body = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Order"}}}}
    said = {"parameters": [parameter], "requestBody": body, "security": [{"friends": []}]}
    async with console(public=public(is_dev=True, **said), services=SERVICES) as asking:
        page = await seen(asking, "/console/try?route=POST%20/api/orders")
        for words in (
            "POST /api/orders",
            '"count": 2',
            "Callers show friends",
            "Bff-Fault",
            "abort:503",
            "users",
            EVIL,
        ):
            assert words in page, words
        assert "Needs a token that may write" in page
    async with console(public=public(is_dev=False, **said), services=SERVICES) as asking:
        page = await seen(asking, "/console/try")
        assert "GET /api/{user_id}" in page
        assert "Bff-Fault" not in page


async def test_where_there_is_no_route_that_is_said(console: Open, anyio_backend: str) -> None:
    """With what to do."""
    async with console(public=public(is_dev=True)) as asking:
        assert "There is no route yet" in await seen(asking, "/console/try")


async def test_the_journal_shows_what_happened_and_what_is_broken(console: Open, anyio_backend: str) -> None:
    """Newest first, found by a part of what is said; what is broken stands above."""
    journal, signals = Journal(clock=ManualClock()), Signals()
    journal.listen(signals)
    failing = Standing("home", {"failure": "functions/home.py:3: NameError"})
    async with console(journal=journal, functions={"home": failing}) as asking:
        assert "Nothing has happened yet" in await seen(asking, "/console/journal")
        signals.emit(RevisionReady(function="cart", revision="cart-dev-2", digest="d", seconds=0.012))
        signals.emit(
            LoadFailed(function="home", report="functions/home.py:3: NameError", serving="home-dev-1")
        )
        signals.emit(ConfigRejected(mistakes=(f"routes.yaml:3:1: {EVIL}",)))
        signals.emit(EndpointReturned(service=LONG, endpoint="10.0.0.1:80"))
        page = await seen(asking, "/console/journal")
        for words in (
            "home does not serve as it is on disk",
            "routes.yaml does not serve",
            EVIL,
            LONG,
            "cart-dev-2 is live",
        ):
            assert words in page, words
        trouble = await seen(asking, "/console/journal?bad=true&filter=HOME")
        assert "home cannot be loaded" in trouble
        assert "cart-dev-2" not in trouble
        assert "Nothing fits" in await seen(asking, "/console/journal?filter=nothing-like-it")
