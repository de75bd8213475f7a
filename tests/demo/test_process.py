"""``python -m demo`` starts from nothing, starts again quickly, and leaves when told."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

ROOT = Path(__file__).parents[2]
Start = Callable[..., AbstractContextManager[Any]]


def _files(folder: Path) -> dict[str, tuple[int, int]]:
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.iterdir()}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_start_reuses_the_files_and_a_signal_ends_it_with_0(
    demo: Any, start: Start, number: signal.Signals
) -> None:
    before = _files(demo.data)
    assert set(before) == {"airports.db", "holidays.db", "clocks.db"}  # and no draft left behind
    with start(demo.data) as again:
        assert (
            httpx.get(f"{again.urls['airports']}/airports/AMS", trust_env=False, timeout=60).status_code
            == 200
        )
        again.process.send_signal(number)
        out, err = again.process.communicate(timeout=60)
    assert again.process.returncode == 0
    assert (out, err) == (b"", b"")  # nothing is logged
    assert _files(demo.data) == before


def test_a_call_that_hangs_does_not_hold_the_exit(demo: Any, start: Start) -> None:
    with start(demo.data) as again:
        address = urlsplit(again.urls["clocks"])
        with socket.create_connection((address.hostname, address.port), timeout=5) as raw:
            raw.sendall(b"GET /clocks/UTC?fail=hang HTTP/1.1\r\nhost: demo\r\n\r\n")
            assert (
                httpx.get(f"{again.urls['clocks']}/clocks/UTC", trust_env=False, timeout=60).status_code
                == 200
            )
            again.process.terminate()
            _, err = again.process.communicate(timeout=60)
    assert (again.process.returncode, err) == (0, b"")


def test_a_broken_or_outdated_file_is_made_anew(demo: Any, start: Start, tmp_path: Path) -> None:
    (tmp_path / "airports.db").write_bytes(b"not a database, " * 1000)
    for name in ("holidays.db", "clocks.db"):
        (tmp_path / name).symlink_to(demo.data / name)
    with start(tmp_path) as services:
        assert (
            httpx.get(f"{services.urls['airports']}/airports/AMS", trust_env=False, timeout=60).status_code
            == 200
        )
    assert (tmp_path / "airports.db").read_bytes().startswith(b"SQLite format 3")
    assert (tmp_path / "clocks.db").is_symlink()  # reused, not replaced


def test_a_port_in_use_is_one_sentence_and_exit_1(demo: Any) -> None:
    port = urlsplit(demo.urls["airports"]).port
    ended = subprocess.run(
        [sys.executable, "-m", "demo", f"--data={demo.data}", f"--airports-port={port}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"airports: cannot listen on 127.0.0.1:{port}: ")
    assert "Traceback" not in ended.stderr


def test_a_folder_that_cannot_be_made_is_one_sentence_and_exit_1(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    ports = [f"--{name}-port=0" for name in ("airports", "holidays", "clocks")]
    ended = subprocess.run(
        [sys.executable, "-m", "demo", f"--data={tmp_path / 'file'}", *ports],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("cannot keep data in ")
    assert "Traceback" not in ended.stderr


def test_many_callers_at_once_all_get_their_own_answer(airports: httpx.Client) -> None:
    codes = ["AMS", "LHR", "JFK", "HND", "SYD", "GRU", "CPT", "DEL"] * 5
    wrong: list[str] = []

    def call(code: str) -> None:
        with suppress(httpx.HTTPError):
            if airports.get(f"/airports/{code}").json()["iata"] == code:
                return
        wrong.append(code)

    threads = [threading.Thread(target=call, args=(code,)) for code in codes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert wrong == []


def test_a_signal_while_it_is_still_imported_is_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "uvicorn.py").write_text("import time\nprint('importing', flush=True)\ntime.sleep(60)\n")
    with subprocess.Popen(
        [sys.executable, "-m", "demo", f"--data={tmp_path}"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"importing\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, b"")
