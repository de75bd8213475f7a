"""The token made at start: a file that only its owner can read, where commands on the same machine find it."""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from bff.admin.bearer import FORM, minted

NAME = "admin-token"


class TokenFileUnusable(Exception):
    """The file cannot be made or is not safe to use; the sentence says why and what to do."""


def made(folder: Path) -> str:
    """The token of the state folder: the one that lies there, if nobody else could have read it, or a new one.

    Gateways that share the folder share the token; removing the file before a start makes another.

    Raises:
        TokenFileUnusable: the folder cannot be written, or the file is another user's.

    """
    path = folder / NAME
    for _ in range(3):  # another gateway may make or remove it at the same moment
        kept = _kept(path)
        if kept is not None:
            return kept
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            return _new(path)
        except FileExistsError:
            continue
        except OSError as error:
            raise TokenFileUnusable(f"{path} cannot be written: {error.strerror or error}") from error
    raise TokenFileUnusable(f"{path} changes while it is read; remove it")


def read(folder: Path) -> str | None:
    """The token that lies there, or None.

    Raises:
        TokenFileUnusable: there is one, and this user cannot read it or should not trust it.

    """
    path = folder / NAME
    try:
        with open(path, encoding="ascii") as file:
            _check_owner(path, os.fstat(file.fileno()))
            text = file.read(200).strip()
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise TokenFileUnusable(f"{path} cannot be read: {why}") from error
    if not FORM.fullmatch(text):
        raise TokenFileUnusable(f"{path} holds no token; remove it and restart the gateway")
    return text


def _kept(path: Path) -> str | None:
    """The token of a file that is still a secret; one that is not is taken away."""
    try:
        token = read(path.parent)
        if token is None:
            return None
        if stat.S_IMODE(path.lstat().st_mode) & 0o077 == 0:
            return token
    except FileNotFoundError:
        return None
    path.unlink(missing_ok=True)
    return None


def _check_owner(path: Path, found: os.stat_result) -> None:
    if found.st_uid != os.geteuid():
        raise TokenFileUnusable(f"{path} belongs to another user; remove it, or name another `state`")


def _new(path: Path) -> str:
    """Written aside and linked into place: nobody ever reads half of it, and of two makers one wins."""
    token = minted()
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    made = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    try:
        with open(made, "w", encoding="ascii") as file:
            file.write(f"{token}\n")
        os.link(draft, path)
    finally:
        with suppress(OSError):
            draft.unlink()
    return token
