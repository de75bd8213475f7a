"""The aggregate in Starlette, over the client that CLIENT names, each used as its own documentation says.

Limits are raised so that no client queues: 32 callers ask for 96 connections at a time.
"""

import os
from asyncio import gather
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from merging import merge, urls
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

Fetch = Callable[[str], Awaitable[Any]]
MOST = 256


@asynccontextmanager
async def with_httpx() -> AsyncIterator[Fetch]:
    import httpx

    limits = httpx.Limits(max_connections=MOST, max_keepalive_connections=MOST)
    async with httpx.AsyncClient(limits=limits) as client:

        async def fetch(url: str) -> Any:
            return (await client.get(url)).raise_for_status().json()

        yield fetch


@asynccontextmanager
async def with_aiohttp() -> AsyncIterator[Fetch]:
    import aiohttp

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=MOST)) as session:

        async def fetch(url: str) -> Any:
            async with session.get(url) as response:
                response.raise_for_status()
                return await response.json()

        yield fetch


@asynccontextmanager
async def with_pyreqwest() -> AsyncIterator[Fetch]:
    from pyreqwest.client import ClientBuilder

    async with ClientBuilder().error_for_status(True).build() as client:

        async def fetch(url: str) -> Any:
            return await (await client.get(url).build().send()).json()

        yield fetch


CLIENTS = {"httpx": with_httpx, "aiohttp": with_aiohttp, "pyreqwest": with_pyreqwest}


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    app.state.urls = urls()
    async with CLIENTS[os.environ["CLIENT"]]() as app.state.fetch:
        yield


async def overview(request: Request) -> JSONResponse:
    state = request.app.state
    return JSONResponse(merge(*await gather(*map(state.fetch, state.urls))))


app = Starlette(routes=[Route("/overview", overview)], lifespan=lifespan)
