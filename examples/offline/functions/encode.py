"""Writes a picture as WebP, in a process of its own."""

from pathlib import Path

from PIL import Image


def handle(body: dict) -> dict:
    target = Path(body["from"]).with_suffix(".webp")
    draft = target.with_suffix(".draft")
    with Image.open(body["from"]) as picture:
        picture.convert("RGB").save(draft, format="WEBP", quality=70)
    draft.replace(target)
    return {"before": body["bytes"], "after": target.stat().st_size}
