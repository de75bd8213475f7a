"""Whom the admin listener answers: by which Host it was asked, and from which page. Pure.

The rules against DNS rebinding and cross-site requests; who asks is the gate's matter.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence

from bff.admin.refusals import ForeignPage
from bff.errors import BadRequest

Fields = list[tuple[bytes, bytes]]


class Front:
    """The names a listener answers to: every literal address, ``localhost``, ``name`` itself, and ``more``."""

    __slots__ = ("_more", "_name")

    def __init__(self, name: str, more: Callable[[], Sequence[str]] = tuple) -> None:
        self._name = name.lower()
        self._more = more

    def check(self, fields: Fields, *, is_page: bool = False) -> None:
        """Let pass what was meant for us and no foreign page has sent; where ``is_page``, a link on one may lead here: what
        it opens is shown to whoever follows it, and to nobody else.

        Raises:
            BadRequest: Host is missing, doubled or somebody else's.
            ForeignPage: a browser says that the page is of another origin.

        """
        hosts = _values(fields, b"host")
        if len(hosts) != 1 or not self._is_ours(hosts[0]):
            raise BadRequest(
                "The Host field is not this listener's; use its address or localhost, or name it in admin.hosts."
            )
        for origin in _values(fields, b"origin"):
            if origin.partition("://")[2].lower() != hosts[0].lower():
                raise ForeignPage
        # As a whole page, not in a frame: https://www.w3.org/TR/fetch-metadata/#sec-fetch-dest-header.
        if is_page and _values(fields, b"sec-fetch-dest") == ["document"]:
            return
        # Browsers that leave Origin out say it in here (https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header).
        if any(value in ("cross-site", "same-site") for value in _values(fields, b"sec-fetch-site")):
            raise ForeignPage

    def _is_ours(self, host: str) -> bool:
        name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
        name = name.strip("[]").lower()
        return name in ("localhost", self._name) or is_address(name) or name in self._more()


def is_address(host: str) -> bool:
    """A literal address cannot be rebound: DNS had no part in it."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Whether a listener at this address is reached from this machine only."""
    return host.lower() == "localhost" or (is_address(host) and ipaddress.ip_address(host).is_loopback)


def _values(fields: Fields, wanted: bytes) -> list[str]:
    return [value.decode("latin-1") for name, value in fields if name == wanted]
