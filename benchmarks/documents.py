"""What the services behind the aggregate answer: three documents of about 1 KB each, and the answer owed."""

import json
from collections.abc import Mapping
from typing import Any

from benchmarks.peers.merging import merge

SIZE = 1024
_NOTE = "Wrote the first published algorithm intended for a machine; likes long notes. "


def user() -> dict[str, Any]:
    known = {
        "id": 42,
        "name": "Ada Byron",
        "email": "ada@example.com",
        "plan": "enterprise",
        "address": {"street": "12 St James's Square", "city": "London", "zip": "SW1Y 4JH", "country": "GB"},
        "preferences": {"currency": "GBP", "language": "en-GB", "newsletter": True, "page_size": 25},
        "tags": ["founder", "beta", "vip", "math", "engine"],
    }
    return {**known, "bio": (_NOTE * 20)[: SIZE - len(_dumped(known))]}


def orders() -> dict[str, Any]:
    shown = [_order(number) for number in range(8)]
    return {"user_id": 42, "orders": shown}


def _order(number: int) -> dict[str, Any]:
    return {
        "id": 9000 + number,
        "sku": f"SKU-{number:05d}",
        "qty": number % 4 + 1,
        "price": 19.99 + number * 3.5,
        "status": "shipped" if number % 2 else "pending",
        "placed_at": f"2026-01-{number + 1:02d}T10:00:00Z",
        "gift": number % 3 == 0,
    }


def recommendations() -> dict[str, Any]:
    return {"user_id": 42, "items": [_item(number) for number in range(10)]}


def _item(number: int) -> dict[str, Any]:
    return {
        "sku": f"SKU-{100 + number:05d}",
        "title": f"Analytical Engine part {number}",
        "score": 0.98 - number / 32,
        "price": 4.25 * (number + 1),
        "in_stock": number % 4 != 0,
    }


def bodies() -> Mapping[str, str]:
    """The documents as JSON, by the path that answers them."""
    return {
        "/users/42": _dumped(user()),
        "/orders": _dumped(orders()),
        "/recommendations": _dumped(recommendations()),
    }


def merged() -> dict[str, Any]:
    """What every contender must answer."""
    return merge(*(json.loads(body) for body in bodies().values()))


def _dumped(document: dict[str, Any]) -> str:
    return json.dumps(document, separators=(",", ":"))
