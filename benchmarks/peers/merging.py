"""The work of the aggregate, the same for every contender: three documents become one page's answer."""

import os
from typing import Any

PATHS = ("/users/42", "/orders", "/recommendations")
SHOWN = ("id", "name", "email", "plan", "address", "preferences", "tags")


def urls() -> list[str]:
    return [os.environ["UPSTREAM"] + path for path in PATHS]


def merge(user: dict[str, Any], orders: dict[str, Any], recommendations: dict[str, Any]) -> dict[str, Any]:
    bought, offered = orders["orders"], recommendations["items"]
    return {
        "user": {name: user[name] for name in SHOWN},
        "orders": [
            {name: order[name] for name in ("id", "sku", "qty", "price", "status")} for order in bought
        ],
        "order_count": len(bought),
        "order_total": round(sum(order["qty"] * order["price"] for order in bought), 2),
        "recommendations": [
            {name: item[name] for name in ("sku", "title", "score", "price")}
            for item in offered
            if item["in_stock"]
        ][:5],
    }
