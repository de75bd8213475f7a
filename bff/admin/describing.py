"""What a revision's handler takes and gives, as JSON Schemas. Only its own types can tell, so it is imported for
that, on the loader thread like every module body, and dropped again.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal

from cachetools import LRUCache
from pydantic import TypeAdapter
from pydantic.errors import PydanticInvalidForJsonSchema

from bff.admin.refusals import Busy
from bff.clock import Expiry
from bff.revisions import archive
from bff.revisions.loader import Loader, explain
from bff.revisions.revision import Revision
from bff.revisions.snapshot import Snapshot
from bff.revisions.store.records import Published
from bff.runtime.settings import Settings
from bff.runtime.threads import NoThreadLeft, Threads
from bff.runtime.warmup import Workshop
from bff.sdk.binding import Parameter, binder_of
from bff.sdk.handler import ContractBroken, Handler, Kind, find, read_hints
from bff.sdk.misfit import Uncheckable, adapter_of

Mode = Literal["validation", "serialization"]
MOST_KEPT = 64
"""Descriptions that are remembered, by digest."""
UNPACKS_WITHIN = 30.0
"""Seconds an archive may take to be unpacked: 64 MiB take less than one."""


class CannotDescribe(Exception):
    """What a handler takes and gives cannot be told; the sentence says why."""


class Describer:
    """Mutable state: ``_kept``, by digest."""

    def __init__(self, *, workshop: Workshop, settings: Callable[[str], Settings | None], root: Path) -> None:
        self._workshop = workshop
        self._settings = settings
        self._root = root
        self._thread = Threads("bff-archives", 1)
        self._kept: LRUCache[str, dict[str, Any]] = LRUCache(MOST_KEPT)

    async def unpack(self, content: bytes) -> Snapshot:
        """The files of an archive.

        Raises:
            ArchiveInvalid: it is none.
            Busy: others came first.

        """
        try:
            with Expiry(self._workshop.clock, self._workshop.clock.now() + UNPACKS_WITHIN):
                return await self._thread.run(partial(archive.unpacked, content, self._root))
        except TimeoutError:
            raise Busy("Other archives are being unpacked.") from None

    async def __call__(self, kept: Published, taken: Snapshot) -> dict[str, Any]:
        """JSON Schemas by parameter, and of what is returned.

        Raises:
            CannotDescribe: it is not to be imported here, does not end, or is no handler of ours.
            FunctionNotLoaded: it cannot be imported any more.

        """
        known = self._kept.get(kept.digest)
        if known is not None:
            return known
        if settings_of(kept).get("isolation") == "process":
            raise CannotDescribe("it runs in processes of its own, and is not imported into the gateway")
        settings = self._settings(kept.function)
        parameters = settings.routes[0][1] if settings is not None and settings.routes else ()
        limit = settings.warm_up_timeout if settings is not None else UNPACKS_WITHIN
        read = partial(_imported, self._workshop.loader, kept, taken, parameters)
        try:
            with Expiry(self._workshop.clock, self._workshop.clock.now() + limit):
                told = await self._workshop.loader_thread.run(read)
        except TimeoutError:
            raise CannotDescribe(f"importing it did not end within {limit:g} s") from None
        except NoThreadLeft:
            raise CannotDescribe("other functions' imports, which do not end, hold up all threads") from None
        self._kept[kept.digest] = told
        return told

    def close(self) -> None:
        """End the thread."""
        self._thread.close()


def settings_of(kept: Published) -> dict[str, Any]:
    """The settings that are frozen in a revision."""
    found = json.loads(kept.settings) if kept.settings else {}
    return found if isinstance(found, dict) else {"settings": found}


def _imported(
    loader: Loader, kept: Published, taken: Snapshot, parameters: tuple[str, ...]
) -> dict[str, Any]:
    package = loader.load(Revision(kept.name, kept.function, taken, kept.created))
    try:
        return described(find(package.module()), parameters)
    except (CannotDescribe, KeyboardInterrupt, MemoryError):
        raise
    except ContractBroken as broken:
        raise CannotDescribe(str(broken)) from None
    except BaseException as error:
        raise explain(error, package) from error
    finally:
        loader.drop(package)


def described(handler: Handler, path_parameters: tuple[str, ...] = ()) -> dict[str, Any]:
    """What a handler takes, by parameter, and what it returns.

    Raises:
        CannotDescribe: it is an ASGI application.
        ContractBroken: its signature cannot be read.

    """
    if handler.kind is Kind.ASGI:
        raise CannotDescribe("it is an ASGI application, which reads its requests by itself")
    try:
        binder = binder_of(handler, path_parameters)
    except ContractBroken:  # made for other routes than those of today
        binder = binder_of(handler, ())
    hidden = ("context", "socket")
    taken = {each.name: _parameter(each) for each in binder.parameters if each.source not in hidden}
    return {
        "parameters": taken,
        "returns": _schema(read_hints(handler.call).get("return", Any), "serialization"),
    }


def _parameter(parameter: Parameter) -> dict[str, Any]:
    told = {"in": parameter.source, "required": parameter.is_required}
    if parameter.key != parameter.name:
        told["key"] = parameter.key
    if parameter.adapter is not None:
        return told | {"schema": _of(parameter.adapter, "validation")}
    return told | {"schema": _schema(parameter.annotation, "validation")}


def _schema(kind: Any, mode: Mode) -> dict[str, Any]:
    if kind is inspect.Parameter.empty:
        return {}
    try:
        return _of(adapter_of(kind), mode)
    except Uncheckable:  # an upload, a response class, a generator
        return {"type": getattr(kind, "__name__", str(kind))}


def _of(adapter: TypeAdapter[Any], mode: Mode) -> dict[str, Any]:
    try:
        return adapter.json_schema(mode=mode)
    except PydanticInvalidForJsonSchema:
        return {}
