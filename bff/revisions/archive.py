"""A snapshot as bytes and back: what the store keeps and what a deploy sends.

A line that names the format, then zlib over a JSON head and the files one after the other. The same snapshot
is the same bytes. What comes in is not trusted further than its digest: sizes are bounded before anything is
unpacked, and paths stay below the functions folder, although nothing is ever written there.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bff.errors import BffError, Fault
from bff.revisions import snapshot
from bff.revisions.snapshot import MAX_BYTES, Snapshot

_MAGIC = b"bff-archive 1\n"
_MAX_HEAD = 8 * 1024 * 1024
MAX_PACKED = MAX_BYTES + _MAX_HEAD
"""Most bytes an archive may have: zlib adds less than a thousandth to what it cannot compress."""
_LEVEL = 6


class ArchiveInvalid(BffError):
    """Bytes that are no archive, or not the one whose digest they name."""

    code, title = "archive-invalid", "This archive cannot be used"
    status, fault = 422, Fault.CALLER

    def __init__(self, why: str) -> None:
        super().__init__(f"The archive {why}; pack it again with this version of bff.")


def packed(taken: Snapshot) -> bytes:
    """The archive of a snapshot."""
    paths = sorted(taken.files)
    head = {
        "function": taken.function,
        "digest": taken.digest,
        "settings": taken.settings.decode(),
        "modules": dict(taken.modules),
        "folders": sorted(taken.folders),
        "files": [[path, len(taken.files[path])] for path in paths],
    }
    text = json.dumps(head, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()
    body = b"".join(taken.files[path] for path in paths)
    return _MAGIC + zlib.compress(b"%d\n" % len(text) + text + body, _LEVEL)


def unpacked(archive: bytes, root: Path) -> Snapshot:
    """The snapshot, ready to be loaded as if it had been taken from the folder ``root``, which is not read.

    Raises:
        ArchiveInvalid: the bytes are no archive, too large, or not what their digest says.
        FunctionNotLoaded: this Python cannot read what another one could.

    """
    head, body = _opened(archive)
    try:
        files, at = {}, 0
        for path, size in head["files"]:
            files[_checked(path)] = body[at : at + _checked_size(size)]
            at += size
        modules = {_text(module): _text(path) for module, path in head["modules"].items()}
        folders = frozenset(map(_text, head["folders"]))
        function, settings, digest = map(_text, (head["function"], head["settings"], head["digest"]))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise ArchiveInvalid("has a head that cannot be read") from None
    if at != len(body) or any(path not in files for path in modules.values()) or function not in modules:
        raise ArchiveInvalid("does not hold the files that it lists")
    if snapshot.digest_of(function, files, settings.encode()) != digest:
        raise ArchiveInvalid("is damaged: its digest is another than it says")
    return snapshot.restore(
        root,
        function,
        files=files,
        modules=modules,
        folders=folders,
        settings=settings.encode(),
        digest=digest,
    )


def _opened(archive: bytes) -> tuple[Mapping[str, Any], bytes]:
    if not archive.startswith(_MAGIC):
        raise ArchiveInvalid("does not begin as one")
    unzip = zlib.decompressobj()
    try:
        content = unzip.decompress(archive[len(_MAGIC) :], MAX_PACKED)
    except zlib.error:
        raise ArchiveInvalid("is damaged") from None
    if unzip.unconsumed_tail:
        raise ArchiveInvalid(f"unpacks to more than {MAX_PACKED // 1024 // 1024} MiB")
    if not unzip.eof or unzip.unused_data:
        raise ArchiveInvalid("is cut off, or more than one")
    length, _, rest = content.partition(b"\n")
    try:
        size = int(length)
        head = json.loads(rest[:size])
    except (ValueError, RecursionError):
        raise ArchiveInvalid("has a head that cannot be read") from None
    if not isinstance(head, dict) or not 0 < size <= _MAX_HEAD:
        raise ArchiveInvalid("has a head that cannot be read")
    return head, rest[size:]


def _checked(path: object) -> str:
    text = _text(path)
    if text.startswith("/") or "\0" in text or any(part in ("", ".", "..") for part in text.split("/")):
        raise ValueError(text)
    return text


def _checked_size(size: object) -> int:
    if isinstance(size, bool) or not isinstance(size, int) or size < 0:
        raise ValueError(size)
    return size


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value
