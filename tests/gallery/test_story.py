"""The README's story with real processes: three demo services, the gateway, a page, an outage."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import eventually, save

ROOT = Path(__file__).parents[2]


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The demo services on free ports, as the environment that points the gallery at them."""
    ports = [f"--{name}-port=0" for name in ("airports", "holidays", "clocks")]
    argv = [sys.executable, "-m", "demo", *ports, "--data", str(tmp_path / "data")]
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            addresses = {}
            for line in process.stdout:
                if line.strip() == "ready":
                    break
                name, address = line.split()
                addresses[f"{name.upper()}_URL"] = address
            assert len(addresses) == 3
            yield addresses
        finally:
            process.terminate()
            process.wait(timeout=60)


def test_a_page_from_three_real_services_survives_the_loss_of_one(
    demo: dict[str, str], tmp_path: Path, gateway: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Complete while all answer; whole but for the missing part when one is down, slow or talks nonsense."""
    for name, address in demo.items():
        monkeypatch.setenv(name, address)
    project = tmp_path / "gallery"
    shutil.copytree(ROOT / "functions", project / "functions", ignore=shutil.ignore_patterns("__pycache__"))
    # As it is, but without hurry; that of the holidays comes back once it is what is shown.
    as_it_is = (ROOT / "routes.yaml").read_text()
    patient = re.sub(r"\b(timeout: )(\d+m?s)\b", r"\g<1>60s", as_it_is)
    (project / "routes.yaml").write_text(patient)
    assert os.environ["AIRPORTS_URL"] == demo["AIRPORTS_URL"]
    served = gateway(project, "serve")
    with httpx.Client(base_url=served.public, timeout=60) as caller:
        page = caller.get("/api/arrival/NL/AMS")
        assert page.json()["airport"]["city"] == "Amsterdam"
        assert len(page.json()["holidays"]) == 3
        assert page.headers["bff-complete"] == "true"
        since = served.lines_so_far
        head, holidays, rest = patient.partition("  holidays:\n")
        save(project / "routes.yaml", head + holidays + rest.replace("timeout: 60s", "timeout: 800ms", 1))
        served.log("routes.yaml applied", since=since)
        for trouble in ("503", "cut", "html", "hang"):
            page = caller.get("/api/arrival/NL/AMS", params={"trouble": trouble})
            assert (page.status_code, page.headers["bff-missing"]) == (200, "holidays"), trouble
        assert caller.get("/api/arrival/BE/AMS").status_code == 404
        board = caller.get("/api/board/NL").text.splitlines()
        assert len(board) > 5
        # After all that trouble the holidays are left alone for a second, and then asked again.
        eventually(lambda: caller.get("/api/layover/AMS", params={"day": "2026-12-25"}).json()["holiday"])
