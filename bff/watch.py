"""Eyes on the disk: a saved routes.yaml or function is looked at again within tens of milliseconds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any

from bff.app import House
from bff.config import ConfigInvalid, discover
from bff.runtime.threads import Threads

STEP_MS = 10
"""Milliseconds without another change after which a save counts as finished."""
POLL = 0.25
"""Seconds between two looks at routes.yaml where no functions are watched."""
LOOK_EVERY = 0.05
"""Seconds between two looks for a functions folder that is not there: it may lack parents to watch too."""
DEBOUNCE_MS = 100
"""Most milliseconds that a burst of changes may hold up the first."""


Seen = tuple[int, int, int] | None
"""A file as it was looked at: inode, size and time of change."""


def look(path: Path) -> Seen:
    """What changes when the file is saved; None when it is not there."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


async def watch(house: House, stop: asyncio.Event, *, functions: bool, seen: Seen) -> None:
    """Reload what changes on disk until ``stop`` is set; ``seen`` is routes.yaml as it was when read.

    Without functions that is one file, and looking at it is enough: it costs nothing, saves the 2 MB of a watcher,
    and sees what a watched folder does not tell, such as the links a Kubernetes ConfigMap is mounted by.
    """
    if not functions:
        await _poll_config(house, stop, seen)
        return
    async with asyncio.TaskGroup() as group:
        group.create_task(_watch_config(house, stop, seen))
        group.create_task(_watch_functions(house, stop))


async def _poll_config(house: House, stop: asyncio.Event, seen: Seen) -> None:
    thread = Threads("bff-watch", 1)  # a disk in the network may take its time to answer
    try:
        while not await _set_within(stop, POLL):
            now = await thread.run(lambda: look(house.config.path))
            while now != seen:
                seen = now
                await asyncio.sleep(STEP_MS / 1000)  # one save may be several changes
                now = await thread.run(lambda: look(house.config.path))
                if now == seen:
                    await house.reload()
    finally:
        thread.close()


async def _set_within(stop: asyncio.Event, seconds: float) -> bool:
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
    return stop.is_set()


async def _watch_config(house: House, stop: asyncio.Event, seen: Seen) -> None:
    path = house.config.path.resolve()

    def is_config(_change: object, changed: str) -> bool:
        return Path(changed).name == path.name

    # The folder and not the file: editors replace the file, and its old inode would be watched for ever.
    async for _ in _changes(path.parent, is_config, stop, recursive=False):
        now = look(path)
        if now != seen:  # one save may be several changes
            seen = now
            await house.reload()


async def _watch_functions(house: House, stop: asyncio.Event) -> None:
    """Watch the folder whenever it is there: it may come after the start, and come again."""
    root = house.config.folder.resolve()
    while not stop.is_set():
        if root.is_dir():
            with suppress(FileNotFoundError):  # gone between the look and the watch
                await _watch_folder(house, root, stop)
        else:
            await _set_within(stop, LOOK_EVERY)


async def _watch_folder(house: House, root: Path, stop: asyncio.Event) -> None:
    """Reload what changes below the folder; return when it is gone."""
    async with aclosing(_changes(root, _is_source, stop, recursive=True)) as bursts:
        async for paths in bursts:
            changed = {Path(path).relative_to(root).as_posix() for path in paths}
            if _found(root) != set(house.config.functions_found):
                await house.reload()
            names = [
                name
                for name, function in house.invoker.functions.items()
                if function.depends_on(changed) or (not changed and function.live is not None)
            ]
            await house.invoker.refresh(names)
            if "." in changed:  # the folder itself: what has its name now is another one
                return


async def _changes(
    folder: Path, wanted: Callable[[Any, str], bool], stop: asyncio.Event, *, recursive: bool
) -> AsyncGenerator[set[str]]:
    """The paths of each burst of changes. The first burst is empty and comes once the folder is watched:
    what was saved earlier has to be looked for.
    """
    from watchfiles import awatch

    watching = awatch(
        folder,
        watch_filter=wanted,
        stop_event=stop,
        step=STEP_MS,
        debounce=DEBOUNCE_MS,
        recursive=recursive,
    )
    first = asyncio.ensure_future(anext(watching, None))
    await asyncio.sleep(0)  # its first step opens the watcher
    try:
        yield set()
        changes = await first
    finally:
        first.cancel()
    if changes is not None:
        yield {path for _, path in changes}
        async for changes in watching:
            yield {path for _, path in changes}


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
