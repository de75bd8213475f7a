"""What is secret does not come out, and what is not does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from bff.config import load
from bff.telemetry.discretion import DEEPEST, LONGEST, MOST, MOST_CLEAN, REDACTED, Discretion
from tests.conftest import write

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nIBAAKC\n-----END RSA PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Authorization: Bearer abcdef123456 was sent", "abcdef123456"),
        ("basic QWRhOnNlc2FtZQ== is no protection", "QWRhOnNlc2FtZQ=="),
        (f"token {JWT} has expired", JWT),
        ("cannot reach postgresql://ada:s3same@db/shop", "s3same"),
        ("redis://:s3same@cache:6379/0 is away", "s3same"),
        ("GET /cb?code=1&access_token=sesame42&state=2", "sesame42"),
        ('{"user": "ada", "password": "sesame42"}', "sesame42"),
        ("api_key=sesame42; retry", "sesame42"),
        (f"key: {PEM} end", "MIIEow"),
    ],
)
def test_what_looks_like_a_secret_is_taken_out_of_any_text(text: str, secret: str) -> None:
    """And nothing else of it."""
    left = Discretion().text(text)
    assert secret not in left
    assert REDACTED in left
    assert left.split()[-1] == text.split()[-1] or REDACTED in left.split()[-1]


@pytest.mark.parametrize(
    "text",
    [
        "the token has expired",
        "http://users.internal:8080/users/7",
        "password reset mail sent to 3 people",
        "basic auth is off",
        "GET /tokens?page=2",
        "2026-11-23T01:02:21Z a=b c=d",
    ],
)
def test_innocent_text_stays(text: str) -> None:
    """Words that only speak of secrets."""
    assert Discretion().text(text) == text


@pytest.mark.parametrize(
    "name", ["password", "X-Api-Key", "csrfToken", "set-cookie", "client_secret", "PASSPHRASE"]
)
def test_fields_by_their_names(name: str) -> None:
    """Wherever they are in what is logged; numbers under such names are counts."""
    redact = Discretion().fields
    assert redact({name: "sesame"})[name] == REDACTED
    assert redact({"a": [{name: {"deep": "sesame"}}]}) == {"a": [{name: REDACTED}]}
    assert redact({name: 812, "b": {name: None}}) == {name: 812, "b": {name: None}}


def test_what_routes_yaml_took_from_elsewhere_is_known_by_heart(tmp_path: Path) -> None:
    """Of fields that carry credentials; not defaults, which stand in the file, nor addresses of services."""
    write(
        tmp_path,
        {
            "routes.yaml": """
                services:
                  users:
                    url: "${USERS:-http://users.internal}"
                    headers: {x-partner: "id ${PARTNER}", x-region: "${REGION:-eu-west-1}"}
                functions: {home: {env: {STRIPE: "${file:stripe.txt}", SHORT: "${SHORT}"}}}
                state: "postgresql://bff:${DATABASE}@db/bff"
            """,
            "stripe.txt": "sk_live_4242\n",
            "functions/home.py": "async def handle() -> str:\n    return ''\n",
        },
    )
    environ = {"PARTNER": "orange-sesame", "SHORT": "abc", "DATABASE": "pg-sesame", "USERS": "http://u:8000"}
    config = load(tmp_path / "routes.yaml", environ=environ)
    assert config.secrets == {"orange-sesame", "sk_live_4242", "abc", "pg-sesame"}
    discretion = Discretion(config.secrets)
    said = discretion.text("orange-sesame sk_live_4242 pg-sesame eu-west-1 http://u:8000 abc")
    assert said == f"{REDACTED} {REDACTED} {REDACTED} eu-west-1 http://u:8000 abc"
    assert "sesame" not in repr(config)
    assert "sesame" not in repr(discretion)


def test_what_was_a_secret_before_stays_one() -> None:
    """Somebody may still log the one of yesterday; of two, the longer is found first."""
    discretion = Discretion(["sesame"])
    discretion.learn(["sesame-seeds"])
    assert discretion.text("sesame-seeds, sesame") == f"{REDACTED}, {REDACTED}"


class Order(BaseModel):
    """Something a function may log as it is."""

    number: int
    card_token: str


def test_what_was_innocent_before_is_looked_at_again() -> None:
    """Texts that are said again and again are looked into once, until there is another secret to look for."""
    discretion, text = Discretion(), "the door opens for sesame42 only"
    assert [discretion.text(text) for _ in range(2)] == [text] * 2
    discretion.learn(["sesame42"])
    assert "sesame42" not in discretion.text(text)
    for number in range(3 * MOST_CLEAN):
        discretion.text(f"text {number}")
    assert len(discretion._clean) <= MOST_CLEAN


def test_models_and_other_things_are_looked_into() -> None:
    """As JSON has them; what has no JSON calls itself by its repr."""
    redact = Discretion().fields
    assert redact({"order": Order(number=7, card_token="sesame")}) == {
        "order": {"number": 7, "card_token": REDACTED}
    }
    assert redact({"path": Path("/tmp"), "raw": b"abc"}) == {"path": "/tmp", "raw": "abc"}
    assert "object" in redact({"thing": object()})["thing"]


@pytest.mark.parametrize(
    "piece",
    ["eyJ-", "x", "token", "basic ", "://a:", "-----BEGIN PRIVATE KEY-----", "bearer aaaaaaa ", "token=="],
)
def test_hostile_text_takes_no_longer_than_other_text(piece: str) -> None:
    """As long as a line can bear, ten times: a pattern that tried all ends from all beginnings would take hours."""
    text = (piece * LONGEST)[:LONGEST]
    for _ in range(10):
        Discretion().text(text)


def test_a_line_has_bounds() -> None:
    """Texts, lists, depth, circles."""
    redact = Discretion().fields
    assert len(redact({"text": "x" * 10 * LONGEST})["text"]) < LONGEST + 50
    assert len(redact({"many": list(range(10 * MOST))})["many"]) == MOST
    circle: list[Any] = []
    circle.append(circle)
    told = redact({"circle": circle})["circle"]
    depth = 0
    while isinstance(told, list):
        told, depth = told[0], depth + 1
    assert depth == DEEPEST
