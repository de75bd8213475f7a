"""``bff key``: a new API key for a caller, and the line that lets it in."""

from __future__ import annotations

import hashlib
import secrets

from bff.cli.output import say, show

LENGTH = 32
"""Random bytes of a key: too many to guess, so that a plain SHA-256 keeps it (no slow hash is needed)."""


def new_key(*, as_json: bool) -> None:
    """Print a key once; only its digest is meant to be kept."""
    key = f"bff_{secrets.token_urlsafe(LENGTH)}"
    digest = f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"
    if as_json:
        show({"key": key, "digest": digest})
        return
    print(key)
    say(f"give it to the caller, and write into routes.yaml: digest: {digest}")
