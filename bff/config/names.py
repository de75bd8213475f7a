"""Names: what a header, a service or a function may be called, and which known name was probably meant."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from keyword import iskeyword

TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 §5.6.2
# RFC 9110 §7.6.1, with the names older proxies used.
HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
# What llhttp reads in a request that is HTTP, but for CONNECT: this is a gateway, not a proxy.
METHODS = (
    *("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY"),
    *("COPY", "LOCK", "MKCOL", "MOVE", "PROPFIND", "PROPPATCH", "SEARCH", "UNLOCK", "BIND", "REBIND"),
    *("UNBIND", "ACL", "REPORT", "MKACTIVITY", "CHECKOUT", "MERGE", "MKCALENDAR", "LINK", "UNLINK"),
    *("M-SEARCH", "NOTIFY", "SUBSCRIBE", "UNSUBSCRIBE", "PURGE", "SOURCE"),
)
_FUNCTION = re.compile(r"[a-z][a-z0-9_]*")
_SERVICE = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_SETTING = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")  # POSIX.1 §8.1


_SECRET = re.compile(
    r"passw(?:or)?d|passphrase|secret|token|apikey|accesskey|privatekey|credential|authorization|cookie|signature"
)


def is_secret_name(name: str) -> bool:
    """Whether what is called so is most likely nothing to show: ``password``, ``X-Api-Key``, ``csrfToken``."""
    return _SECRET.search(name.lower().replace("_", "").replace("-", "")) is not None


def is_token(text: str) -> bool:
    """Whether this can be a header's name, a method or a cookie's name."""
    return TOKEN.fullmatch(text) is not None


def is_function_name(text: str) -> bool:
    """Whether this can be a function: a module that imports the same on every file system."""
    return _FUNCTION.fullmatch(text) is not None and not iskeyword(text)


def is_service_name(text: str) -> bool:
    """Whether ``ctx.services.NAME`` can be written."""
    return _SERVICE.fullmatch(text) is not None and not iskeyword(text)


def is_setting_name(text: str) -> bool:
    """Whether this can be the name of an environment variable."""
    return _SETTING.fullmatch(text) is not None


def suggest(name: str, known: Iterable[str]) -> str:
    """``"; did you mean home?"`` when a known name is close, else nothing."""
    known = list(known)
    by_fold = {candidate.lower().replace("-", "_"): candidate for candidate in known}
    close = by_fold.get(name.lower().replace("-", "_")) or next(
        iter(get_close_matches(name[:80], known, n=1)), None
    )
    return f"; did you mean {close}?" if close is not None and close != name else ""
