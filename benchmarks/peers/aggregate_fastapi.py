"""The aggregate in FastAPI over one pooled httpx client: what a Python team writes first."""

from asyncio import gather
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from fastapi import FastAPI, Request
from merging import merge, urls

MOST = 256  # 32 callers ask for 96 connections at a time: none shall queue


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.urls = urls()
    limits = httpx.Limits(max_connections=MOST, max_keepalive_connections=MOST)
    async with httpx.AsyncClient(limits=limits) as app.state.client:
        yield


app = FastAPI(lifespan=lifespan)


async def fetch(client: httpx.AsyncClient, url: str) -> Any:
    return (await client.get(url)).raise_for_status().json()


@app.get("/overview")
async def overview(
    request: Request,
):  # no annotation: it would become a response model and slow the peer down
    state = request.app.state
    return merge(*await gather(*(fetch(state.client, url) for url in state.urls)))
