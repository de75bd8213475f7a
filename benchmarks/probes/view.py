"""CPU microseconds of a 4 KB view: its JSON read strictly and checked into models, and the models written again."""

import json
import sys
import time
from typing import Any

from pydantic import BaseModel, TypeAdapter

from bff.sdk.json import loads
from bff.sdk.reply import Encoder


class Design(BaseModel):
    id: int
    title: str
    price: float
    tags: list[str]
    is_new: bool


class Home(BaseModel):
    name: str
    designs: list[Design]
    notices: list[str] | None


def view() -> bytes:
    """4 KB of it."""
    designs = [
        {"id": n, "title": f"A chair of oak, number {n}", "price": 129.5 + n, "tags": ["oak", "chair"]}
        | {"is_new": n % 2 == 0}
        for n in range(38)
    ]
    return json.dumps({"name": "Ada", "designs": designs, "notices": ["Free delivery"]}).encode()


def measure(rounds: int, calls: int) -> list[float]:
    text, adapter, encoder = view(), TypeAdapter(Home), Encoder("home", Home)
    assert 3900 <= len(text) <= 4300, len(text)

    def once() -> Any:
        loads(text)
        return encoder.encode(adapter.validate_json(text, strict=True))

    once()
    return [timed(once, calls) for _ in range(rounds)]


def timed(once: Any, calls: int) -> float:
    began = time.process_time()
    for _ in range(calls):
        once()
    return 1e6 * (time.process_time() - began) / calls


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]), int(sys.argv[2]))))
