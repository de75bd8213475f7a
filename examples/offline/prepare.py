"""Makes what the example needs: a table of accounts, and a folder of pictures."""

import sqlite3
import sys
from pathlib import Path

from PIL import Image


def prepare(folder: Path, pictures: int = 24) -> None:
    with sqlite3.connect(folder / "accounts.db") as table:
        table.execute("CREATE TABLE accounts (owner TEXT PRIMARY KEY, plan TEXT NOT NULL, mail TEXT)")
        table.execute("CREATE TABLE undelivered (event TEXT PRIMARY KEY, owner TEXT, why TEXT)")
        table.executemany(
            "INSERT INTO accounts (owner, plan) VALUES (?, 'free')",
            [("ann@example.com",), ("bo@example.com",)],
        )
    (folder / "in").mkdir()
    for number in range(pictures):
        picture = Image.linear_gradient("L").resize((800, 600)).rotate(number * 15)
        picture.convert("RGB").save(folder / f"in/{number:02}.png")


if __name__ == "__main__":
    prepare(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
