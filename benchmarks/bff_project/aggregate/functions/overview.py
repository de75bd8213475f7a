"""The aggregate: what a user's page shows, from three services called at once."""

from typing import Any

from bff import Context, gather

SHOWN = ("id", "name", "email", "plan", "address", "preferences", "tags")


async def handle(ctx: Context, user_id: int = 42) -> dict[str, Any]:
    services = ctx.services
    answers = await gather(
        services.users.get(f"/users/{user_id}"),
        services.orders.get("/orders"),
        services.recommendations.get("/recommendations"),
    )
    return merge(*(answer.json() for answer in answers))


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
