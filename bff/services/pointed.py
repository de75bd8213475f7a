"""Where an answer points to: the URLs of its own origin whose kept answers are out of date with it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import SplitResult, urljoin, urlsplit

from bff.services.fields import Pairs, first

_POINTERS = (b"location", b"content-location")


def pointed_to(url: str, fields: Pairs) -> Iterator[str]:
    """What ``Location`` and ``Content-Location`` name, seen from ``url``, as far as it is of the same origin (RFC 9111
    §4.4): others' answers are nothing that this one could speak of. Of a URL that begins with ``//`` only the host is
    known. They are written with that URL's own origin, and without a fragment, which no request has.
    """
    for name in _POINTERS:
        reference = first(fields, name).decode("latin-1")
        target = _of_the_same_origin(url, reference) if reference else None
        if target is not None:
            yield target


def _of_the_same_origin(url: str, reference: str) -> str | None:
    try:
        own, target = urlsplit(url), urlsplit(urljoin(url, reference))
    except ValueError:
        return None
    if not _is_same(own, target):
        return None
    return target._replace(scheme=own.scheme, netloc=own.netloc, fragment="").geturl()


def _is_same(own: SplitResult, target: SplitResult) -> bool:
    is_same_host = bool(target.netloc) and target.netloc.lower() == own.netloc.lower()
    return is_same_host and (not own.scheme or target.scheme == own.scheme)
