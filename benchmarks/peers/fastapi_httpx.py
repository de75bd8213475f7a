"""What a backend-for-frontend in FastAPI starts with: the app and one pooled httpx client."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with httpx.AsyncClient() as client:
        app.state.client = client
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/hello")
async def hello():  # no annotation: it would become a response model and slow the peer down
    return {"hello": "world"}
