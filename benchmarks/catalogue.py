"""Who is measured: ours, and the peers it is measured beside."""

import sys
from dataclasses import replace
from pathlib import Path

from benchmarks.servers import ROOT, Server

HERE = Path(__file__).resolve().parent
PEER_APPS = HERE / "peers"
PROJECTS = HERE / "bff_project"
HELLO = {"hello": "world"}


def uvicorn(name: str, module: str, *, logs_requests: bool = False) -> Server:
    """A peer on uvicorn at its fastest: uvloop, httptools, no access log."""
    serve = (sys.executable, "-m", "uvicorn", "--app-dir", str(PEER_APPS), f"{module}:app")
    fast = ("--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning")
    where = ("--host", "127.0.0.1", "--port", "{port}")
    return Server(name=name, argv=(*serve, *where, *fast), expected=HELLO, logs_requests=logs_requests)


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
OURS = (BFF_BARE, BFF_EQUIPPED, BFF_KEPT, GALLERY)
