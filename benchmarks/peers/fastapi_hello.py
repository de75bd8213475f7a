"""FastAPI at its leanest: one route, no parameter, no response model to validate against."""

from fastapi import FastAPI

app = FastAPI()


@app.get("/hello")
async def hello():  # no annotation: it would become a response model and slow the peer down
    return {"hello": "world"}
