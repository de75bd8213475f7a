"""Has the shop's popular products in the cache of its service before anybody asks."""

from bff import CloudEvent, Context, gather


async def handle(ctx: Context, event: CloudEvent) -> None:
    popular = (await ctx.services.shop.get("/popular", params={"most": event.data["most"]})).json()
    await gather(*(ctx.services.shop.get(f"/products/{number}") for number in popular))
