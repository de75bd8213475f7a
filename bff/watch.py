"""Eyes on the disk: a saved routes.yaml or function is looked at again within tens of milliseconds."""

from __future__ import annotations

import asyncio
from pathlib import Path

from bff.app import House
from bff.config import ConfigInvalid, discover

STEP_MS = 10
"""Milliseconds without another change after which a save counts as finished."""
DEBOUNCE_MS = 100
"""Most milliseconds that a burst of changes may hold up the first."""


async def watch(house: House, stop: asyncio.Event, *, functions: bool) -> None:
    """Reload what changes on disk until ``stop`` is set."""
    async with asyncio.TaskGroup() as group:
        group.create_task(_watch_config(house, stop))
        if functions:
            group.create_task(_watch_functions(house, stop))


async def _watch_config(house: House, stop: asyncio.Event) -> None:
    from watchfiles import awatch

    path = house.config.path.resolve()

    def is_config(_change: object, changed: str) -> bool:
        return Path(changed).name == path.name

    # The folder and not the file: editors replace the file, and its old inode would be watched for ever.
    watching = awatch(
        path.parent,
        watch_filter=is_config,
        stop_event=stop,
        step=STEP_MS,
        debounce=DEBOUNCE_MS,
        recursive=False,
    )
    async for _ in watching:
        await house.reload()


async def _watch_functions(house: House, stop: asyncio.Event) -> None:
    from watchfiles import awatch

    root = house.config.folder.resolve()
    if not root.is_dir():
        return
    async for changes in awatch(
        root, watch_filter=_is_source, stop_event=stop, step=STEP_MS, debounce=DEBOUNCE_MS
    ):
        changed = {Path(path).relative_to(root).as_posix() for _, path in changes}
        if _found(root) != set(house.config.functions_found):
            await house.reload()
        names = [name for name, function in house.invoker.functions.items() if function.depends_on(changed)]
        await house.invoker.refresh(names)


def _found(root: Path) -> set[str] | None:
    """The names of the functions there are; None while the folder itself is a mistake, told on reload."""
    try:
        return set(discover(root))
    except ConfigInvalid:
        return None


def _is_source(_change: object, path: str) -> bool:
    parts = Path(path).parts
    name = parts[-1]
    return not (
        "__pycache__" in parts or name.startswith(".") or name.endswith((".pyc", ".swp", ".swx", "~"))
    )
