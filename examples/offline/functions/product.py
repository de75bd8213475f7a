"""A page that is quick where the cache is warm."""

from bff import Context


async def handle(ctx: Context, number: int) -> dict:
    return (await ctx.services.shop.get(f"/products/{number}")).json()
