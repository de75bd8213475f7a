"""Browser files of others, unmodified, from npm packages; ``manifest.json`` says which, and their digests."""

from __future__ import annotations


def content(package: str, name: str) -> bytes:
    """One file's bytes.

    Raises:
        FileNotFoundError: there is no such file.

    """
    from importlib.resources import files  # who opens no page does not pay for it

    return files(__name__).joinpath(package, name).read_bytes()
