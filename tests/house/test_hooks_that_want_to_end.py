"""What authors write may want to end the process, wherever it is called: it fails alone, the gateway goes on."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from tests.conftest import GatewayFactory, Running, save, write

ENDS = {"exit": "SystemExit(3)", "interrupt": "KeyboardInterrupt", "generator": "GeneratorExit"}
OBJECT = """
    class Handler:
        async def handle(self) -> str: return "fine"
        {hook}
    def new(): return Handler()
"""
CALLED = {
    "module": "raise {end}",
    "new": "def new(): raise {end}",
    "start": OBJECT.replace("{hook}", "def start(self): raise {end}"),
    "startasync": OBJECT.replace("{hook}", "async def start(self): raise {end}"),
    "ready": OBJECT.replace("{hook}", "def ready(self): raise {end}"),
    "startup": """
        async def app(scope, receive, send):
            assert (await receive())["type"] == "lifespan.startup"
            raise {end}
    """,
    "handle": "async def handle(): raise {end}",
    "handlesync": "def handle(): raise {end}",
}
"""Those that run at the first call of all, which fails."""
PROBED = OBJECT.replace("{hook}", "def alive(self): raise {end}")
STOPPED = {
    "stop": OBJECT.replace("{hook}", "def stop(self): raise {end}"),
    "shutdown": """
        async def app(scope, receive, send):
            if scope["type"] == "lifespan":
                await receive()
                await send({{"type": "lifespan.startup.complete"}})
                await receive()
                raise {end}
            await send({{"type": "http.response.start", "status": 200}})
            await send({{"type": "http.response.body"}})
    """,
}
CHECKED = "def check(): raise {end}\nasync def handle() -> str: return 'checked'\n"
FINE = "async def handle() -> str: return 'fine'\n"


def sources() -> dict[str, str]:
    """By function's name, such as ``ready_exit``."""
    kinds = {**CALLED, **STOPPED, "alive": PROBED, "aliveprocess": PROBED}
    made = {
        f"{kind}_{name}": dedent(source).format(end=end)
        for kind, source in kinds.items()
        for name, end in ENDS.items()
    }
    return {**made, **{f"check_{name}": FINE for name in ENDS}, "other": FINE}


@pytest.fixture
def served(tmp_path: Path, gateway: GatewayFactory) -> Running:
    functions = sources()
    routes = "".join(f"  - {{path: /{name}, function: {name}}}\n" for name in functions)
    processes = "".join(f"  aliveprocess_{name}: {{isolation: process}}\n" for name in ENDS)
    files = {f"functions/{name}.py": source for name, source in functions.items()}
    routes = f"functions:\n{processes}routes:\n{routes}"
    return gateway(write(tmp_path, {**files, "routes.yaml": routes}), "serve", "--watch")


def test_no_hook_ends_the_gateway(served: Running, tmp_path: Path) -> None:
    """Each way to end a process, from each place where the author's code is called; whoever wrote it is told."""
    warm = [f"{kind}_{name}" for kind in (*STOPPED, "alive", "aliveprocess", "check") for name in ENDS]
    for function in warm:
        assert served.get(f"/{function}").status_code == 200, function
    for name, end in ENDS.items():
        said = end.partition("(")[0]
        for kind in STOPPED:
            save(tmp_path / f"functions/{kind}_{name}.py", FINE)
            told = served.log("evicted", function=f"{kind}_{name}")
            assert told["level"] == "warning"
            assert said in told["stop_error"]
        save(tmp_path / f"functions/check_{name}.py", CHECKED.format(end=end))
        served.wait_for(lambda line, said=said: f"check() raised {said}" in line)
    for function in (f"{kind}_{name}" for kind in CALLED for name in ENDS):
        assert served.get(f"/{function}").status_code >= 500, function
        assert served.get("/other").text == "fine"
    for name, end in ENDS.items():
        for kind in ("alive", "aliveprocess"):
            told = served.log("instance replaced", function=f"{kind}_{name}")
            assert end.partition("(")[0] in told["why"]
            assert served.get(f"/{kind}_{name}").status_code == 200
    assert served.get("/other").text == "fine"
    served.check_calm()
