"""A module body that never ends is one function's trouble, not the gateway's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.conftest import eventually, write


def test_others_are_loaded_while_one_import_hangs(tmp_path: Path, gateway: Callable[..., Any]) -> None:
    """The caller of the hanging one gets a 500 or 504 in bounded time, its file is named in the log, and a
    cold function beside it answers."""
    write(
        tmp_path,
        {
            "routes.yaml": """
                defaults: {warm_up_timeout: 60s, timeout: 60s}
                functions: {hang: {warm_up_timeout: 300ms}}
                routes:
                  - {path: /hang, function: hang}
                  - {path: /ok, function: ok}
            """,
            "functions/hang.py": """
                import threading
                threading.Event().wait(30)
                async def handle(): return {}
            """,
            "functions/ok.py": "async def handle(): return {'ok': True}\n",
        },
    )
    served = gateway(tmp_path, "serve")
    assert served.get("/hang").status_code == 500
    assert served.get("/ok").json() == {"ok": True}
    failure = eventually(lambda: served.logs("request", function="hang", status=500))
    assert "functions/hang.py" in str(failure) + str(served.logs("warm-up failed"))


def test_shutdown_does_not_wait_for_a_save_that_hangs(tmp_path: Path, gateway: Callable[..., Any]) -> None:
    """In dev the watcher may be loading a module that never ends: SIGTERM ends the gateway all the same, long
    before warm_up_timeout (the fixture allows 20 s, the module would take 60)."""
    good = "async def handle(): return {'ok': True}\n"
    routes = "defaults: {warm_up_timeout: 60s}\nroutes: [{path: /a, function: a}]\n"
    write(tmp_path, {"routes.yaml": routes, "functions/a.py": good})
    served = gateway(tmp_path, "dev")
    assert served.get("/a").json() == {"ok": True}
    mark = tmp_path / "begun"
    hanging = f"import pathlib, time\npathlib.Path({str(mark)!r}).touch()\ntime.sleep(60)\n{good}"
    (tmp_path / "functions" / "a.py").write_text(hanging)
    eventually(mark.exists)
    assert served.get("/a").json() == {"ok": True}
