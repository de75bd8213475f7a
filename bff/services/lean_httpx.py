"""httpx without its command line: importing that would bring rich, pygments and click along, 56 of the 75 ms
that httpx takes to import and 6 MB that nobody uses here.
"""

from __future__ import annotations

import sys

_COMMAND = "httpx._main"


def load() -> None:
    """Import httpx unless somebody has. None in ``sys.modules`` makes one import fail, and httpx allows for
    a missing command line: ``httpx/__init__.py`` then defines ``main`` as a hint to install it.
    """
    if "httpx" in sys.modules:
        return
    sys.modules[_COMMAND] = None  # type: ignore[assignment]
    try:
        import httpx  # noqa: F401
    finally:
        sys.modules.pop(_COMMAND, None)  # the other of two threads may have been here
