"""The packages of the Node peers, installed from their lock when a benchmark first needs them."""

import shutil
import subprocess

from benchmarks.catalogue import NODE
from benchmarks.servers import BenchmarkError

INSTALL = ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
INSTALL_TIMEOUT = 180.0


class NoNodeError(BenchmarkError):
    def __init__(self) -> None:
        super().__init__("node and npm are not installed; `apt-get install nodejs npm` brings them")


def install() -> None:
    """The exact versions of package-lock.json; nothing is done when they are there already."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise NoNodeError
    installed, lock = NODE / "node_modules" / ".package-lock.json", NODE / "package-lock.json"
    if installed.exists() and installed.stat().st_mtime >= lock.stat().st_mtime:
        return
    done = subprocess.run(
        INSTALL, cwd=NODE, capture_output=True, text=True, timeout=INSTALL_TIMEOUT, check=False
    )
    if done.returncode:
        raise BenchmarkError(f"npm ci failed: {done.stderr.strip()}")
