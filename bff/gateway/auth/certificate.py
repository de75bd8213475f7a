"""Client certificates, of which a proxy that terminated TLS tells."""

from __future__ import annotations

import re

from bff.config.auth import CertificateConfig
from bff.gateway.auth.scheme import Rejected, Request
from bff.sdk.caller import Caller

# Envoy's x-forwarded-client-cert: elements of key=value pairs; a value in quotes may hold any separator.
_PAIR = re.compile(r'\s*([A-Za-z]+)=("(?:[^"\\]|\\.)*"|[^;,"]*)\s*([;,]|$)')


class Certificates:
    """Immutable."""

    challenge = ""

    def __init__(self, name: str, config: CertificateConfig) -> None:
        self._name = name
        self._header = config.header.encode()
        self._is_xfcc = config.format == "xfcc"

    def known(self, request: Request) -> Caller | None:
        """Whom the last proxy saw: the last element, which a client in front of it cannot have written."""
        if not request.is_vouched:
            return None  # anybody can write a header
        value = request.the_one(self._header)
        if not value:
            return None
        text = value.decode("latin-1")
        subject = _last_subject(text) if self._is_xfcc else text
        if not subject:
            raise Rejected("the certificate names nobody")
        return Caller(subject=subject, scheme=self._name)

    async def look(self, request: Request) -> Caller | None:
        """There is nowhere else to look."""
        return self.known(request)


def _last_subject(text: str) -> str:
    """The URI, else the subject, of the last element.

    Raises:
        Rejected: it is not written as Envoy writes it.

    """
    at, element = 0, dict[str, str]()
    while at < len(text):
        pair = _PAIR.match(text, at)
        if pair is None or pair.end() == at:
            raise Rejected("what the proxy tells of the certificate cannot be read")
        key, value, end = pair[1].lower(), pair[2], pair[3]
        element.setdefault(key, re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value)
        at = pair.end()
        if end == "," and at < len(text):
            element = {}
    return element.get("uri") or element.get("subject", "")
