"""Makes a picture fit into 320 by 240, in a process of its own. What it hands on is the place of the result."""

from pathlib import Path

from PIL import Image

from bff import SyncContext

MOST = (320, 240)


def handle(ctx: SyncContext, body: dict) -> dict:
    source = Path(body["from"])
    target = source.parents[1] / "small" / source.name
    target.parent.mkdir(exist_ok=True)
    draft = target.with_suffix(".draft")
    with Image.open(source) as picture:
        ctx.progress(1, 2, f"{source.name} is open")
        picture.thumbnail(MOST)
        picture.save(draft, format="PNG")
    draft.replace(target)  # whoever is killed in between leaves no half of a picture
    ctx.progress(2, 2, f"{source.name} is small")
    return {**body, "from": str(target)}
