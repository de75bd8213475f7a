"""What a configuration weighs: an interpreter reads one as the gateway does, keeps it, and tells its size."""

import gc
import json
import os
import sys
from pathlib import Path

import bff.app  # noqa: F401 - the gateway's modules, which are no part of the configuration
from benchmarks.processes import resident_bytes
from bff.config import load

if __name__ == "__main__":
    kept = load(Path(sys.argv[1]))
    gc.collect()
    print(json.dumps({"resident": resident_bytes([os.getpid()]), "functions": len(kept.functions_found)}))
