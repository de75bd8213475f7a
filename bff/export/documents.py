"""The OpenAPI document of a gateway as it is now: its routes, and what the revisions that answer say."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from pydantic_core import to_json

from bff.clock import Clock
from bff.config import Config, RouteConfig
from bff.config.openapi import OpenApiConfig
from bff.errors import FunctionNotLoaded
from bff.export.components import Kinds
from bff.export.describing import Describer, Found, Parameters, Subject
from bff.export.openapi import About, Operations, document
from bff.export.passing import passing
from bff.revisions.snapshot import Snapshot
from bff.sdk.describe import Described, unread

FRESH = 1.0
"""Seconds a document is given out again without another look at the functions."""


class Documents:
    """Makes the document when it is asked for. Mutable state: ``_made`` (when, of what, and the text)."""

    def __init__(
        self,
        *,
        config: Callable[[], Config],
        snapshot: Callable[[str], Awaitable[Snapshot]],
        clock: Clock,
        kinds: Kinds,
    ) -> None:
        self._config = config
        self._snapshot = snapshot
        self._clock = clock
        self._kinds = kinds
        self._describer = Describer(clock=clock)
        self._making = asyncio.Lock()
        self._made: tuple[float, Config, bytes] | None = None

    async def openapi(self) -> bytes:
        """The document as JSON. However many ask, one look at the functions a second serves them."""
        async with self._making:
            config, now = self._config(), self._clock.now()
            if self._made is not None and self._made[1] is config and now - self._made[0] < FRESH:
                return self._made[2]
            routed = parameters_by_function(config.routes)
            found = await self._describer.describe(self._subjects(routed), count=len(routed))
            text = to_json(made(config, found, self._kinds))
            self._made = now, config, text
            return text

    async def _subjects(self, routed: Mapping[str, frozenset[Parameters]]) -> AsyncIterator[Subject]:
        for name, routes in routed.items():
            try:
                yield Subject(snapshot=await self._snapshot(name), routes=routes)
            except FunctionNotLoaded:
                continue  # the document says of it what the route alone tells


def parameters_by_function(routes: Iterable[RouteConfig]) -> dict[str, frozenset[Parameters]]:
    """The path parameters of each routed function's routes."""
    found: dict[str, frozenset[Parameters]] = {}
    for route in routes:
        if route.service:
            continue
        known = found.get(route.function, frozenset())
        found[route.function] = known | {route.pattern.parameters}
    return found


def made(config: Config, found: Found, kinds: Kinds) -> dict[str, object]:
    """The document of a configuration, of what its functions say, and of the problems there may be."""
    return document(_operations(config, found), about(config.openapi), kinds=kinds, schemes=config.auth)


def _operations(config: Config, found: Found) -> Iterator[Operations]:
    for route in config.routes:
        yield Operations(
            path=route.path,
            methods=route.methods,
            owner=route.function or route.service,
            described=passing(route) if route.service else _said(route, found),
            demand=config.auth_of(route),
            passes=bool(route.service),
            is_limited=bool(config.limits_of(route)),
        )


def _said(route: RouteConfig, found: Found) -> Described:
    """What the function says of itself; a route that keeps its pages gives them whole."""
    parameters = route.pattern.parameters
    said = found.get((route.function, parameters)) or unread(parameters)
    return said if route.cache is None else replace(said, unfolds=False)


def about(config: OpenApiConfig) -> About:
    """The document's head."""
    return About(
        title=config.title,
        version=config.version,
        description=config.description,
        contact=config.contact or "",
        contact_url=config.contact_url or "",
        license=config.license or "",
    )
