"""Who asked for it is told of the end of a call: signed, tried again, and only at hosts that are allowed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from bff.events.callbacks import is_allowed
from bff.testing import AsyncClient, client
from tests.house.receiver import Receiver

pytestmark = pytest.mark.anyio
Write = Callable[[Mapping[str, str | bytes]], Path]
SECRET = base64.b64encode(b"k" * 32).decode()


@pytest.fixture
def folder(write_project: Write, receiver: Receiver) -> Path:
    return write_project(
        {
            "routes.yaml": f"""\
                calls:
                  functions: [work]
                  callbacks:
                    hosts: ["{receiver.host}"]
                    secret: whsec_{SECRET}
                    delivery: {{timeout: PT40S, backoffDelay: PT0.05S, retry: 30}}
                """,
            "functions/work.py": """\
                async def handle(body: dict) -> dict:
                    if body.get("fails"):
                        raise RuntimeError("no")
                    return {"twice": body["n"] * 2}
                """,
        }
    )


async def call(page: AsyncClient, url: str, **body: Any) -> Any:
    headers = {"x-callback-url": url}
    return await page.post("/async-function/work", json=body, headers=headers)


async def test_the_answer_is_posted_signed_to_who_asked(folder: Path, receiver: Receiver) -> None:
    """As Standard Webhooks signs, under OpenFaaS's names; one that failed is told as what its caller would have got."""
    async with client(folder) as page:
        number = (await call(page, f"http://{receiver.host}/done?x=1", n=4)).json()["id"]
        await page.deliver()
        await call(page, f"http://{receiver.host}/done", fails=1, n=0)
        await page.deliver()
    (fields, body), (failed, problem) = receiver.heard
    assert body == b'{"twice":8}'
    assert (fields["x-call-id"], fields["x-function-name"], fields["x-function-status"]) == (
        number,
        "work",
        "200",
    )
    assert fields["content-type"] == "application/json"
    signed = f"{fields['webhook-id']}.{fields['webhook-timestamp']}.".encode() + body
    made = base64.b64encode(hmac.new(b"k" * 32, signed, hashlib.sha256).digest()).decode()
    assert fields["webhook-signature"] == f"v1,{made}"
    assert abs(time.time() - int(fields["webhook-timestamp"])) < 60
    assert (failed["x-function-status"], failed["content-type"]) == ("500", "application/problem+json")
    assert b'"code":"function-failed"' in problem


async def test_one_that_never_answers_is_tried_again_under_the_same_id(
    folder: Path, receiver: Receiver, tmp_path: Path
) -> None:
    """After its timeout; and so is one that answers 503, until it is well."""
    receiver.answers = [None, 503, 200]
    routes = tmp_path / "routes.yaml"
    routes.write_text(routes.read_text().replace("PT40S", "PT1S"))
    async with client(folder) as page:
        await call(page, f"http://{receiver.host}/done", n=1)
        await page.deliver()
        made = [each.function for each in page.invocations if each.revision]
    assert len(receiver.heard) >= 3
    assert len({fields["webhook-id"] for fields, _ in receiver.heard}) == 1
    assert {body for _, body in receiver.heard} == {b'{"twice":2}'}
    assert made == ["work"], "the call itself was made once"


async def test_other_hosts_are_refused_before_anything_is_stored(
    folder: Path, receiver: Receiver, tmp_path: Path
) -> None:
    async with client(folder) as page:
        for url in ("http://127.0.0.1:1/x", "ftp://x/", f"http://a@{receiver.host}/", "http://"):
            answer = await call(page, url, n=1)
            assert (answer.status_code, answer.json()["code"]) == (400, "callback-refused"), url
        (tmp_path / "routes.yaml").write_text("calls: {functions: [work]}\n")
    async with client(folder) as page:
        assert "no calls.callbacks" in (await call(page, f"http://{receiver.host}/", n=1)).json()["detail"]
    assert receiver.heard == []


@pytest.mark.parametrize(
    ("url", "is_so"),
    [
        ("https://hooks.example/a?b=c", True),
        ("https://hooks.example:443/", True),
        ("http://hooks.example:80/", True),
        ("https://HOOKS.example/", True),
        ("https://hooks.example:8443/", False),
        ("http://plain.example:8080/", True),
        ("http://plain.example/", False),
        ("https://hooks.example.evil/", False),
        ("https://evil/#hooks.example", False),
        ("https://hooks.example@evil/", False),
        ("https://hooks.example\\@evil/", False),
        ("https://hooks.example:x/", False),
        ("https://hooks.example/\n", False),
        ("//hooks.example/", False),
    ],
)
def test_a_host_is_one_that_is_named_with_its_port(url: str, is_so: bool) -> None:
    assert is_allowed(url, ("hooks.example", "plain.example:8080")) is is_so
