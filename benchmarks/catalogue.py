"""Who is measured: ours, and the peers it is measured beside."""

import sys
from dataclasses import replace
from pathlib import Path

from benchmarks.servers import ROOT, Server

HERE = Path(__file__).resolve().parent
PEER_APPS = HERE / "peers"
PROJECTS = HERE / "bff_project"
NODE = PEER_APPS / "node"
HELLO = {"hello": "world"}


def uvicorn(
    name: str, module: str, *, logs_requests: bool = False, path: str = "/hello", expected: object = HELLO
) -> Server:
    """A peer on uvicorn at its fastest: uvloop, httptools, no access log."""
    serve = (sys.executable, "-m", "uvicorn", "--app-dir", str(PEER_APPS), f"{module}:app")
    fast = ("--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning")
    where = ("--host", "127.0.0.1", "--port", "{port}")
    argv = (*serve, *where, *fast)
    return Server(name=name, argv=argv, path=path, expected=expected, logs_requests=logs_requests)


def node(name: str, script: str, path: str) -> Server:
    """A peer on Node, as it is run in production."""
    argv = ("node", str(NODE / script), "{port}")
    return Server(name=name, argv=argv, env={"NODE_ENV": "production"}, path=path)


def gateway(
    name: str, config: Path, *, command: str = "serve", path: str = "/hello", expected: object = None
) -> Server:
    """Our own gateway over one routes.yaml."""
    serve = (sys.executable, "-m", "bff.cli", command, "--config", str(config))
    where = ("--host", "127.0.0.1", "--port", "{port}", "--admin", "127.0.0.1:{admin}")
    return Server(name=name, argv=(*serve, *where), path=path, expected=expected)


FUNCTIONS = Server(
    name="functions-framework",
    argv=(
        *(sys.executable, "-m", "functions_framework", "--target", "hello"),
        *("--source", str(PEER_APPS / "functions_hello.py"), "--host", "127.0.0.1", "--port", "{port}"),
    ),
    expected=HELLO,
)
UVICORN = uvicorn("bare uvicorn (raw ASGI)", "raw_asgi")
STARLETTE = uvicorn("Starlette on uvicorn", "starlette_hello")
STARLETTE_EQUIPPED = uvicorn("equipped Starlette on uvicorn", "starlette_equipped", logs_requests=True)
FASTAPI = uvicorn("FastAPI on uvicorn", "fastapi_hello")
FASTAPI_HTTPX = uvicorn("FastAPI + httpx on uvicorn", "fastapi_httpx")
PEERS = (UVICORN, STARLETTE, STARLETTE_EQUIPPED, FASTAPI, FASTAPI_HTTPX, FUNCTIONS)

BFF_BARE = gateway("bff, bare", PROJECTS / "bare" / "routes.yaml", expected=HELLO)
BFF_EQUIPPED = replace(
    gateway("bff, equipped", PROJECTS / "equipped" / "routes.yaml", expected=HELLO), logs_requests=True
)
BFF_KEPT = gateway("bff, a kept page", PROJECTS / "kept" / "routes.yaml", expected=HELLO)
GALLERY = gateway("bff, the gallery", ROOT / "routes.yaml", path="/health/liveness")

# Their services and what they must answer are filled in when the upstream runs.
AGGREGATE = "/overview"
BFF_AGGREGATE = replace(
    gateway("bff, everything on, three calls a page", PROJECTS / "aggregate" / "routes.yaml", path=AGGREGATE),
    logs_requests=True,
)
# No contender: it sends fewer calls than the others, because all callers ask for the same.
BFF_AGGREGATE_SHARED = replace(
    gateway("bff, identical calls shared", PROJECTS / "aggregate" / "shared.yaml", path=AGGREGATE),
    logs_requests=True,
)

BFF_AGGREGATE_QUIET = gateway(
    "bff, without logs and metrics", PROJECTS / "aggregate" / "quiet.yaml", path=AGGREGATE
)


def aggregating(name: str, module: str, client: str = "") -> Server:
    peer = uvicorn(name, module, path=AGGREGATE, expected=None)
    return replace(peer, env={"CLIENT": client})


POOL = aggregating("bare uvicorn + a hand-written pool", "aggregate_bare")
FASTIFY = node("Fastify + undici", "aggregate.js", AGGREGATE)
STARLETTE_HTTPX = aggregating("Starlette + httpx", "aggregate_starlette", "httpx")
FASTAPI_AGGREGATE = aggregating("FastAPI + httpx", "aggregate_fastapi")
STARLETTE_AIOHTTP = aggregating("Starlette + aiohttp", "aggregate_starlette", "aiohttp")
STARLETTE_PYREQWEST = aggregating("Starlette + pyreqwest", "aggregate_starlette", "pyreqwest")
AGGREGATORS = (
    *(BFF_AGGREGATE, FASTIFY, POOL, STARLETTE_PYREQWEST, STARLETTE_AIOHTTP),
    *(STARLETTE_HTTPX, FASTAPI_AGGREGATE, BFF_AGGREGATE_QUIET, BFF_AGGREGATE_SHARED),
)
# The path below /catalog, and the service, are filled in when the upstream runs.
BFF_PASSING = replace(
    gateway("bff, passing through", PROJECTS / "passthrough" / "routes.yaml"), logs_requests=True
)
REPLY_FROM = node("Fastify + reply-from", "passing.js", "")
OURS = (BFF_BARE, BFF_EQUIPPED, BFF_KEPT, GALLERY)
