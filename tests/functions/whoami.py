"""What the gateway says about the caller."""

from bff import Context


async def handle(ctx: Context) -> dict[str, str | None]:
    return {
        "request_id": ctx.request_id,
        "client": ctx.client,
        "trace_id": ctx.trace_id,
        "parent_id": ctx.invocation.trace.parent_id,
        "revision": ctx.revision,
    }
