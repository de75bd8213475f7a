"""On what it was measured: the machine, the interpreter, the versions. Names no path and no host."""

import json
import os
import platform
import shutil
import subprocess
import sysconfig
import time
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = (
    *("bff-gateway", "uvicorn", "uvloop", "httptools", "starlette", "fastapi", "httpx", "pydantic"),
    *("functions-framework", "gunicorn", "flask", "structlog", "orjson", "prometheus-client"),
    *("aiohttp", "pyreqwest"),
)
NODE_PACKAGES = Path(__file__).resolve().parent / "peers" / "node" / "package.json"


def facts() -> dict[str, str]:
    return {
        "machine": f"{cpu_model()}, cores: {len(os.sched_getaffinity(0))}, {platform.system()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}, {build_flags()}",
        "speed (a fixed loop of Python)": speed(),
        **{package: installed(package) for package in PACKAGES},
        "wrk": wrk_version(),
        "nginx": said(("nginx", "-v")).rpartition("/")[2],
        "node": said(("node", "--version")),
        **node_packages(),
    }


def said(command: tuple[str, ...]) -> str:
    """What a command says of its version."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except OSError:
        return "not installed"
    return (done.stdout or done.stderr).strip()


def node_packages() -> dict[str, str]:
    """The peers' exact versions, which are also what is installed."""
    declared: dict[str, str] = json.loads(NODE_PACKAGES.read_text())["dependencies"]
    return declared


def cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def build_flags(variables: Mapping[str, object] | None = None) -> str:
    """What the interpreter's own build flags say; it decides a third of every figure."""
    arguments = str((variables or sysconfig.get_config_vars()).get("CONFIG_ARGS") or "")
    flags = [flag for flag in ("--enable-optimizations", "--with-lto") if flag in arguments]
    if flags:
        return f"an optimised build by its flags ({' '.join(flags)})"
    return "its flags name no optimisation (a distribution may optimise by other means: see the speed)"


def speed() -> str:
    """How fast this interpreter is on this machine: CPU time of a fixed piece of pure Python, best of 5."""
    return f"{min(_fixed_work() for _ in range(5)) * 1000:.1f} ms"


def _fixed_work() -> float:
    began, seen = time.process_time(), dict[str, int]()
    for number in range(60_000):
        seen[str(number % 1000)] = _next(number)
    return time.process_time() - began


def _next(number: int) -> int:
    return number + 1


def installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def wrk_version() -> str:
    if shutil.which("wrk") is None:
        return "not installed"
    said = subprocess.run(["wrk", "-v"], capture_output=True, text=True, timeout=10, check=False).stdout
    return said.split(" [")[0].removeprefix("wrk ").strip()
