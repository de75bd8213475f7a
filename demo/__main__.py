"""``python -m demo``: signals end it quietly from its first line on; what it does is in :mod:`demo.listening`."""

from __future__ import annotations

import signal
import sys

if __name__ == "__main__":
    # While the servers are imported and the data are built; the loop has handlers of its own.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))

    from demo.listening import main

    sys.exit(main())
