"""RFC 9111 as a table of cases, section by section, run through all three places where answers are kept: below
service calls, before composed routes, and before what passes through. One gateway, one origin, real sockets.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any

import httpx
import pytest

from tests.conftest import Running, eventually
from tests.services.conformance import directing, freshness, reusing, storing
from tests.services.conformance.case import By, Case, Level, Step, Way
from tests.services.conformance.origin import Origin, Place, dated, serving

CASES = (*storing.CASES, *freshness.CASES, *reusing.CASES, *directing.CASES)

STATED = "{stale-if-error: 2h}"
ROUTES = """\
services:
  obedient: {{url: "{url}/s", cache: true, {calm}}}
  stated: {{url: "{url}/s", cache: {stated}, {calm}}}
  plain: {{url: "{url}", coalesce: false, {calm}}}
routes:
- {{path: "/service", methods: [POST], function: relay}}
- {{path: "/composed/obedient/{{rest}}", methods: [{methods}], function: page, cache: true}}
- {{path: "/composed/stated/{{rest}}", methods: [{methods}], function: page, cache: {stated}}}
- {{path: "/passing/obedient/{{rest:path}}", service: plain, cache: true}}
- {{path: "/passing/stated/{{rest:path}}", service: plain, cache: {stated}}}
"""
CALM = "retries: {attempts: 0}, outlier_detection: {consecutive_5xx: 0}"
RELAY = '''
from bff import Context
from pydantic import BaseModel

class Wanted(BaseModel):
    service: str
    method: str
    path: str
    fields: dict[str, str]

async def handle(ctx: Context, wanted: Wanted) -> dict:
    """What a service call brings, field by field."""
    service = getattr(ctx.services, wanted.service)
    answer = await service.request(wanted.method, wanted.path, headers=wanted.fields, check=False)
    return {"status": answer.status_code, "fields": answer.headers.multi_items(), "body": answer.text}
'''
PAGE = '''
from bff import Context
from starlette.responses import Response

OURS = ("connection", "keep-alive", "transfer-encoding", "content-length")

async def handle(ctx: Context, rest: str) -> Response:
    """A page that says of caching what the origin says."""
    origin = await ctx.services.plain.get("/c/" + rest, check=False)
    page = Response(origin.content, origin.status_code)
    page.raw_headers = [pair for pair in origin.headers.raw if pair[0].decode().lower() not in OURS]
    return page
'''


@dataclass(frozen=True)
class Heard:
    """An answer as whoever asked has it. ``fields`` of one name are joined."""

    status: int
    fields: dict[str, str]
    body: str


@dataclass(frozen=True)
class House:
    """The gateway and its origin."""

    origin: Origin
    gateway: Running
    client: httpx.Client

    def ask(self, way: Way, case: Case, name: str, step: Step) -> Heard:
        """One request by one way."""
        service = "stated" if case.stated else "obedient"
        path = f"{name}?{step.query}" if step.query else name
        pairs = [dated(each, self.origin.now).split(": ", 1) for each in step.fields]
        if way is Way.SERVICE:
            call = {"service": service, "method": step.method, "path": f"/{path}", "fields": dict(pairs)}
            told = self.client.post("/service", json=call)
            assert told.status_code == 200 or step.gives is None, told.text
            if told.status_code != 200:
                return Heard(told.status_code, {}, "")
            answer = told.json()
            return Heard(answer["status"], _joined(answer["fields"]), answer["body"])
        url = f"/{'composed' if way is Way.COMPOSED else 'passing'}/{service}/{path}"
        fields = [(field, value) for field, value in pairs]
        # Only what the case says is sent.
        request = httpx.Request(step.method, self.client.base_url.join(url), headers=fields)
        reply = self.client.send(request)
        return Heard(reply.status_code, _joined(reply.headers.multi_items()), reply.text)


def _joined(pairs: Any) -> dict[str, str]:
    fields: dict[str, str] = {}
    for name, value in pairs:
        fields[name] = f"{fields[name]}, {value}" if name in fields else value
    return fields


@pytest.fixture(scope="module")
def house(module_gateway: Callable[..., Running], module_project: Callable[..., Any]) -> Iterator[House]:
    with serving() as origin:
        methods = "GET, HEAD, POST, PUT, DELETE, PATCH"
        config = ROUTES.format(url=origin.url, calm=CALM, stated=STATED, methods=methods)
        files = {"routes.yaml": config, "functions/relay.py": RELAY, "functions/page.py": PAGE}
        gateway = module_gateway(module_project(files))
        with httpx.Client(base_url=gateway.public, trust_env=False, timeout=60) as client:
            yield House(origin, gateway, client)


NUMBERS = count(1)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_cache_keeps_the_rule(house: House, case: Case) -> None:
    """Everywhere where it stands."""
    for way in Way:
        if way in case.ways:
            try:
                keeps_the_rule(house, case, way)
            except AssertionError as error:
                raise AssertionError(f"{way.name}: {error}") from error


def keeps_the_rule(house: House, case: Case, way: Way) -> None:
    """One case by one way, at a path of its own."""
    name = f"{next(NUMBERS)}"
    place = house.origin.places[name]
    seen = "0"
    for step in case.steps:
        before = len(place.heard)
        place.next, place.is_cut = step.gives, step.cut
        place.then = None if step.then is None else tuple(step.then.split(" | "))
        if step.cut:
            with pytest.raises((httpx.HTTPError, AssertionError)):
                house.ask(way, case, name, step)
            continue
        heard = house.ask(way, case, name, step)
        if step.refreshes:
            assert heard.body == seen
            seen = eventually(partial(news, house, way, case, name, step, seen))
            continue
        assert_answered_by(step, place, before)
        assert_heard(step, heard, house.origin.now)
        seen = assert_body(step, heard, place, seen)


def news(house: House, way: Way, case: Case, name: str, step: Step, seen: str) -> str:
    """The body of an answer that is another than the one seen before; "" while it is the same."""
    body = house.ask(way, case, name, step).body
    return "" if body == seen else body


def assert_answered_by(step: Step, place: Place, before: int) -> None:
    """Who answered, and under which condition the origin was asked."""
    if step.by in (By.KEPT, By.NOBODY):
        assert len(place.heard) == before, f"{len(place.heard) - before} requests reached the origin"
        return
    assert len(place.heard) > before, "nobody asked the origin"
    told = place.heard[before]
    if step.by is By.VALIDATED:
        assert len(place.heard) == before + 1
        assert {"if-none-match", "if-modified-since"} & told.keys()
    for name, value in step.told.items():
        assert told.get(name) == value


def assert_heard(step: Step, heard: Heard, now: float) -> None:
    """Status and fields."""
    if step.status is not None:
        assert heard.status == step.status
    for name, value in step.has.items():
        assert re.fullmatch(dated(value, now), heard.fields.get(name, ""), re.DOTALL) or heard.fields.get(
            name
        ) == dated(value, now), f"{name} is {heard.fields.get(name)}"
    assert not heard.fields.keys() & set(step.lacks)


def assert_body(step: Step, heard: Heard, place: Place, seen: str) -> str:
    """Which of the origin's answers it is; the number of the one that the caller has seen last."""
    if step.body is not None:
        assert heard.body == str(step.body)
        return heard.body
    if not heard.body or heard.status in (206, 304) or step.by is By.NOBODY or step.gives is None:
        return seen
    if step.by is By.ORIGIN:
        assert heard.body == str(len(place.heard))
        return heard.body
    assert heard.body == seen
    return seen


def test_every_section_of_a_shared_cache_has_cases() -> None:
    """What RFC 9111 says to shared caches, section by section; 3.4 is left out: parts are never put together here."""
    sections = {case.section for case in CASES}
    assert sections >= {
        *("2", "3", "3.1", "3.2", "3.3", "3.5"),
        *("4.1", "4.2.1", "4.2.3", "4.2.4", "4.3.1", "4.3.2", "4.3.3", "4.3.4", "4.3.5", "4.4"),
        *("5.1", "5.2", "5.2.1.1", "5.2.1.2", "5.2.1.3", "5.2.1.4", "5.2.1.5", "5.2.1.7"),
        *("5.2.2.2", "5.2.2.4", "5.2.2.7", "5.2.2.9", "5.2.3", "5.3", "5.4"),
    }
    assert {case.level for case in CASES} == set(Level)
