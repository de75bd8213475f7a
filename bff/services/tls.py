"""One TLS context for all connections of ours: making one takes 19 ms, so it is made when first needed."""

from __future__ import annotations

import ssl

import httpx


class SharedContext:
    """Certificates are verified against certifi's list, or what ``SSL_CERT_FILE`` names, as httpx does.

    Mutable state: ``_context``. It is never handed to stock httpx, which changes the ALPN of what it is given.
    """

    def __init__(self, given: ssl.SSLContext | None = None) -> None:
        self._context = given

    def __call__(self) -> ssl.SSLContext:
        if self._context is None:
            self._context = httpx.create_ssl_context()
            self._context.set_alpn_protocols(["http/1.1"])
        return self._context
